import { VmbError } from "../../core/error.ts";
import { runOk, systemProcesses } from "../../core/sys/process.ts";
import { type Hypervisor, virshOf } from "./hypervisor.ts";
import type { Lab } from "./lab.ts";
import { removeDomainsUsing } from "./leftovers.ts";
import { answers, findDaemon, waitForLibvirt } from "./libvirt_daemon.ts";
import { waitFor } from "./wait.ts";

const uri = "qemu:///system";

/**
 * Gives the machine's own libvirt. Where it does not run and no systemd would run it, it is started, and
 * ended when the lab closes. Domains that use files of the lab are removed then, whoever made them.
 *
 * @throws {VmbError} `lab.no-libvirt`; `lab.hypervisor` when it does not run and cannot be started
 */
export async function systemHypervisor(lab: Lab): Promise<Hypervisor> {
  await refuseIfProbing();
  const pidFiles: string[] = [];
  let stopping: Promise<void> | undefined;
  const stop = () =>
    stopping ??= (async () => {
      await removeDomainsUsing(uri, lab.folder);
      for (const pidFile of pidFiles.toReversed()) await endDaemon(pidFile);
    })();
  lab.defer(stop);
  if (!await answers(uri)) {
    await refuseIfNotOurs();
    const { program } = await findDaemon();
    for (const daemon of [program.replace(/\w+$/, "virtlogd"), program]) {
      const pidFile = `${lab.folder}/${daemon.split("/").at(-1)}.pid`;
      pidFiles.push(pidFile);
      await runOk(systemProcesses, [daemon, "--daemon", "--pid-file", pidFile]);
    }
    await waitForLibvirt(uri, {});
  }
  return { lab, kind: "system", uri, env: {}, virsh: virshOf(uri, {}), stop };
}

/**
 * libvirt probes KVM with more rights than its guests get. When the device is closed to the qemu user the
 * two never agree, every call probes QEMU anew, and to define a domain takes minutes.
 */
async function refuseIfProbing(): Promise<void> {
  const device = await Deno.stat("/dev/kvm").catch(() => undefined);
  if (device === undefined || ((device.mode ?? 0) & 0o066) !== 0) return;
  throw new VmbError(
    "Device /dev/kvm is closed to libvirt's qemu user: qemu:///system is unusable",
    {
      code: "lab.hypervisor",
      hint: "chmod 666 /dev/kvm, or run with VMB_LAB_HYPERVISOR=private",
    },
  );
}

async function refuseIfNotOurs(): Promise<void> {
  const booted = await Deno.stat("/run/systemd/system").then(() => true, () => false);
  if (booted) {
    throw new VmbError(`No libvirt answers at ${uri}`, {
      code: "lab.hypervisor",
      hint: "systemctl start virtqemud.socket virtlogd.socket, or libvirtd",
    });
  }
  if (Deno.uid() !== 0) {
    throw new VmbError(`No libvirt answers at ${uri}, and only root can start it`, {
      code: "lab.hypervisor",
      hint: "Run as root, or with VMB_LAB_HYPERVISOR=session",
    });
  }
}

/** Ends a daemon and waits until it is gone. */
export async function endDaemon(pidFile: string): Promise<void> {
  const pid = Number(await Deno.readTextFile(pidFile).catch(() => "0"));
  if (pid === 0) return;
  const signal = (name: Deno.Signal): boolean => {
    try {
      Deno.kill(pid, name);
      return true;
    } catch {
      return false;
    }
  };
  signal("SIGTERM");
  await waitFor(
    async () => await Deno.stat(`/proc/${pid}`).then(() => undefined, () => true),
    { what: `the end of process ${pid}`, deadlineMs: 10_000 },
  ).catch(() => void signal("SIGKILL"));
}
