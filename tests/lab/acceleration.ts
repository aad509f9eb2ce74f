import { systemProcesses } from "../../core/sys/process.ts";
import { buildGuestImage } from "./guest_image.ts";
import { findProgram } from "./program_files.ts";

/**
 * Tells how guests run on this machine: by KVM where a guest was seen to boot with it (that `/dev/kvm`
 * exists does not say so), else emulated. The trial is made once per process and takes 0.2 s where KVM
 * fails; `VMB_LAB_ACCELERATION` overrides it.
 */
export function guestType(): Promise<"kvm" | "qemu"> {
  return known ??= findGuestType();
}

let known: Promise<"kvm" | "qemu"> | undefined;

async function findGuestType(): Promise<"kvm" | "qemu"> {
  const wanted = Deno.env.get("VMB_LAB_ACCELERATION");
  if (wanted === "kvm" || wanted === "qemu") return wanted;
  const device = await Deno.stat("/dev/kvm").catch(() => undefined);
  // What only root may open is closed to libvirt's qemu user.
  const open = ((device?.mode ?? 0) & 0o066) !== 0;
  return open && await bootsByKvm() ? "kvm" : "qemu";
}

async function bootsByKvm(): Promise<boolean> {
  const program = await findProgram("qemu-kvm") ?? await findProgram("qemu-system-x86_64");
  if (program === undefined) return false;
  const { kernel, initramfs } = await buildGuestImage();
  const tried = await systemProcesses.run([
    ...[program, "-accel", "kvm", "-cpu", "max", "-machine", "q35", "-m", "192"] as const,
    ...["-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio"],
    ...["-kernel", kernel, "-initrd", initramfs],
    ...["-append", "console=ttyS0 quiet panic=1 vmb.mode=trial"],
  ], { timeoutMs: 15_000 }).catch(() => undefined);
  return tried?.stdout.includes("VMB-READY") ?? false;
}
