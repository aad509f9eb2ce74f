import type { VmEntry } from "../config/vm_list.ts";
import type { DomainDisk } from "../libvirt/domain_xml.ts";

export interface SkippedDisk {
  readonly disk: DomainDisk;
  readonly reason: string;
}

/** Which disks a backup takes, which it leaves out, and what someone has to decide first. */
export interface DiskSelection<Disk extends DomainDisk = DomainDisk> {
  readonly chosen: readonly Disk[];
  readonly skipped: readonly SkippedDisk[];
  /** A data disk that is skipped in silence is lost data. */
  readonly problems: readonly DiskProblem[];
}

/** Why a disk cannot be backed up, in one sentence, and what someone can do about it. */
export interface DiskProblem {
  readonly text: string;
  readonly hint: string | undefined;
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
  const problems: DiskProblem[] = [];
  for (const target of [...include ?? [], ...exclude]) {
    if (disks.some((disk) => disk.target === target)) continue;
    problems.push({
      text: `disk "${target}" of vm-list.yaml is no disk of the VM (it has ${
        disks.map((disk) => disk.target).join(", ") || "none"
      })`,
      hint: "Correct its disks in vm-list.yaml",
    });
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
      ? {
        text: `lies on an overlay of a run that was not recovered ("${disk.source}")`,
        hint: "Run: vmb hv recover",
      }
      : obstacleOf(disk);
    if (obstacle === undefined) chosen.push(disk);
    else {
      const { text, hint = excludeHint(disk.target) } = obstacle;
      problems.push({ text: `disk ${disk.target} ${text}`, hint });
    }
  }
  if (chosen.length === 0 && problems.length === 0) {
    problems.push({ text: "no disk is left to back up", hint: undefined });
  }
  return { chosen, skipped, problems };
}

/** How to say that a disk is to be left out. */
export function excludeHint(target: string): string {
  return `If it needs no backup, exclude it in vm-list.yaml: disks: { exclude: [${target}] }`;
}

/**
 * Why a disk needs no backup. One that the guest only reads is needed all the same: without it, the VM does not
 * start.
 */
function harmlessReason(disk: DomainDisk): string | undefined {
  return disk.device === "cdrom" || disk.device === "floppy"
    ? `removable medium (${disk.device})`
    : undefined;
}

/** Why a disk with data cannot be backed up. */
function obstacleOf(
  disk: DomainDisk,
): { readonly text: string; readonly hint?: string } | undefined {
  const obstacle = (text: string) => ({ text });
  if (disk.device === "lun") {
    return obstacle("passes a SCSI LUN through, which has no point in time");
  }
  // Nobody writes to it, whoever shares it.
  if (disk.shareable && !disk.readonly) {
    return obstacle("is shareable: another VM may write to it at any moment");
  }
  if (disk.encrypted) return obstacle("is encrypted: a backup would hold its plain data");
  if (disk.transient) return obstacle("is transient: its writes are thrown away at shutdown");
  switch (disk.type) {
    case "file":
    case "block":
      if (disk.source === undefined) return obstacle("has no source");
      break;
    // What a pull job of QEMU can read; which method can, is judged when its image is known.
    case "volume":
    case "network":
      break;
    default:
      return obstacle(`is of type "${disk.type}", which no method can read`);
  }
  if (disk.format !== "qcow2" && disk.format !== "raw") {
    return obstacle(`has the format "${disk.format}", not qcow2 or raw`);
  }
  return undefined;
}
