import { versions } from "../libvirt/domain_info.ts";
import type { Domain } from "../libvirt/domain.ts";
import { iothreadDisks } from "../libvirt/iothread.ts";
import { readQemuLog, startedVersion } from "../libvirt/qemu_log.ts";
import type { Virsh } from "../libvirt/virsh.ts";
import type { System } from "../sys/system.ts";

/**
 * Says why a backup job would endanger a domain: an iothread serves one of its disks, and its QEMU aborts when
 * a connection to such an export is closed while the job runs. We do not close it, but a kill -9 of us does.
 *
 * QEMU closes clients in its main thread since 9.0 and 8.2.3 (`nbd/server: only traverse NBDExport->clients
 * from main loop thread`). A version that nobody can tell counts as an old one.
 *
 * @param targets disks that would be exported
 * @returns `undefined` when there is no danger
 */
export async function earlyCloseDanger(
  system: Pick<System, "processes" | "host">,
  virsh: Virsh,
  { domain, liveXml, targets }: {
    readonly domain: Domain;
    readonly liveXml: string;
    readonly targets: readonly string[];
  },
): Promise<string | undefined> {
  const served = iothreadDisks(liveXml);
  const disks = targets.filter((target) => served.has(target));
  if (disks.length === 0) return undefined;
  const log = await readQemuLog(system, virsh.uri, domain);
  const version = startedVersion(log) ?? (await versions(virsh)).qemu;
  if (version !== null && closesInMainThread(version)) return undefined;
  return `${disks.join(", ")} ${disks.length === 1 ? "has" : "have"} an iothread, and QEMU ${
    version ?? "of an unknown version"
  } may end the VM when a backup job of it is cut off`;
}

function closesInMainThread(version: string): boolean {
  const [major = 0, minor = 0, micro = 0] = version.split(".").map((part) => Number.parseInt(part));
  return major > 8 || (major === 8 && minor === 2 && micro >= 3);
}
