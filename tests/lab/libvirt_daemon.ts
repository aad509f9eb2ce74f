import { VmbError } from "../../core/error.ts";
import { systemProcesses } from "../../core/sys/process.ts";
import { waitFor } from "./wait.ts";

/** The daemon that runs QEMU's domains: one for all drivers, or the modular one that RHEL 10 has. */
export interface LibvirtDaemon {
  readonly program: string;
  /** Name of its socket in libvirt's run-time folder. */
  readonly socket: string;
}

const daemons: readonly LibvirtDaemon[] = [
  { program: "virtqemud", socket: "virtqemud-sock" },
  { program: "libvirtd", socket: "libvirt-sock" },
];

/**
 * Finds the libvirt daemon that is installed; the modular one where both are.
 *
 * @param root of another system; the program's path is the one within it
 * @throws {VmbError} `lab.no-libvirt`
 */
export async function findDaemon(root = ""): Promise<LibvirtDaemon> {
  for (const daemon of daemons) {
    for (const folder of ["/usr/sbin", "/usr/bin", "/sbin"]) {
      const program = `${folder}/${daemon.program}`;
      if (await Deno.stat(`${root}${program}`).then(() => true, () => false)) {
        return { ...daemon, program };
      }
    }
  }
  throw new VmbError("No libvirt daemon is installed: neither virtqemud nor libvirtd", {
    code: "lab.no-libvirt",
    exit: 5,
    hint: "Install libvirt-daemon-system (Debian) or libvirt-daemon-driver-qemu (RHEL)",
  });
}

/** Waits until libvirt answers at `uri`. */
export async function waitForLibvirt(
  uri: string,
  env: Readonly<Record<string, string>>,
  evidence?: () => Promise<string>,
): Promise<void> {
  await waitFor(async () => await answers(uri, env) ? true : undefined, {
    what: `an answer of libvirt at ${uri}`,
    deadlineMs: 30_000,
    everyMs: 50,
    ...(evidence === undefined ? {} : { evidence }),
  });
}

export async function answers(
  uri: string,
  env: Readonly<Record<string, string>> = {},
): Promise<boolean> {
  const asked = await systemProcesses.run(["virsh", "--connect", uri, "uri"], {
    env,
    timeoutMs: 10_000,
  });
  return asked.code === 0;
}
