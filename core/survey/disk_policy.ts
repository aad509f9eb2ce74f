import type { VmEntry } from "../config/vm_list.ts";
import type { DomainDisk } from "../libvirt/domain_xml.ts";

export interface SkippedDisk {
  readonly disk: DomainDisk;
  readonly reason: string;
}

/** Which disks a backup takes, which it leaves out, and what someone has to decide first. */
export interface DiskSelection {
  readonly chosen: readonly DomainDisk[];
  readonly skipped: readonly SkippedDisk[];
  /** One sentence each; a data disk that is skipped in silence is lost data. */
  readonly problems: readonly string[];
}

/**
 * Judges every disk of a domain by what it is, and by what vm-list.yaml says of it.
 *
 * @param scratchDir where overlays of ours lie: a disk there is what a killed run left
 */
export function selectDisks(
  disks: readonly DomainDisk[],
  entry: Pick<VmEntry, "disks">,
  scratchDir: string,
): DiskSelection {
  const { include, exclude } = entry.disks;
  const chosen: DomainDisk[] = [];
  const skipped: SkippedDisk[] = [];
  const problems: string[] = [];
  for (const target of [...include ?? [], ...exclude]) {
    if (disks.some((disk) => disk.target === target)) continue;
    problems.push(
      `disk "${target}" of vm-list.yaml is no disk of the VM (it has ${
        disks.map((disk) => disk.target).join(", ") || "none"
      })`,
    );
  }
  for (const disk of disks) {
    const listed = exclude.includes(disk.target)
      ? "excluded in vm-list.yaml"
      : include !== undefined && !include.includes(disk.target)
      ? "not among the included disks of vm-list.yaml"
      : undefined;
    const reason = listed ?? harmlessReason(disk);
    if (reason !== undefined) {
      skipped.push({ disk, reason });
      continue;
    }
    const obstacle = disk.source?.startsWith(`${scratchDir}/`)
      ? `lies on an overlay of a run that was not recovered ("${disk.source}")`
      : obstacleOf(disk);
    if (obstacle === undefined) chosen.push(disk);
    else problems.push(`disk ${disk.target} ${obstacle}`);
  }
  if (chosen.length === 0 && problems.length === 0) problems.push("no disk is left to back up");
  return { chosen, skipped, problems };
}

/** Why a disk needs no backup. */
function harmlessReason(disk: DomainDisk): string | undefined {
  if (disk.device === "cdrom" || disk.device === "floppy") {
    return `removable medium (${disk.device})`;
  }
  if (disk.readonly) return "read-only for the guest";
  return undefined;
}

/** Why a disk with data cannot be backed up. */
function obstacleOf(disk: DomainDisk): string | undefined {
  if (disk.device === "lun") return "passes a SCSI LUN through, which has no point in time";
  if (disk.shareable) return "is shareable: another VM may write to it at any moment";
  if (disk.encrypted) return "is encrypted: a backup would hold its plain data";
  if (disk.transient) return "is transient: its writes are thrown away at shutdown";
  if (disk.type !== "file" && disk.type !== "block") {
    return `is of type "${disk.type}", not file or block`;
  }
  if (disk.source === undefined) return "has no source";
  if (disk.format !== "qcow2" && disk.format !== "raw") {
    return `has the format "${disk.format}", not qcow2 or raw`;
  }
  return undefined;
}
