import { VmbError } from "../error.ts";
import type { Argv } from "../sys/process.ts";

/**
 * One line of a journal: written to the local disk, durably, BEFORE the step that it names changes a
 * domain or leaves something behind; its counterpart is written after the step was undone.
 */
export type JournalEntry =
  | {
    readonly step: "begin";
    readonly run: string;
    readonly vm: string;
    readonly uuid: string;
    readonly uri: string;
    readonly pid: number;
    /** Local folder of scratch files, overlays and sockets; whatever serves from it is ours. */
    readonly scratchFolder: string;
    /** Local folder, of root only, of what is gathered before it goes to the share. */
    readonly stagingFolder: string;
    readonly time: string;
  }
  | { readonly step: "freeze" }
  | { readonly step: "thawed" }
  /** Applications of the guest wait for a freeze: this program lets them go on. */
  | { readonly step: "guest-hook"; readonly hook: GuestHook }
  | { readonly step: "guest-hook-done" }
  | { readonly step: "backup-job" }
  | { readonly step: "backup-job-ended" }
  | { readonly step: "overlay"; readonly disks: readonly OverlayDisk[]; readonly xmlFile: string }
  | { readonly step: "overlay-gone" }
  | { readonly step: "partial"; readonly path: string }
  | { readonly step: "partial-gone"; readonly path: string }
  /** A throw-away copy of a VM, which the run's own UUID names. */
  | { readonly step: "test-domain"; readonly uuid: string; readonly name: string }
  | { readonly step: "test-domain-gone" }
  /** A libvirt network of the run, and the table of nftables that closes it. */
  | { readonly step: "test-network"; readonly name: string; readonly table: string }
  | { readonly step: "test-network-gone" }
  /** Where libvirt looks for the state of the copy's TPM. */
  | { readonly step: "test-tpm"; readonly path: string }
  | { readonly step: "test-tpm-gone" }
  /**
   * A file or folder of a restore. Without an inode its name is ours alone; with one, another file of that name
   * is not ours.
   */
  | { readonly step: "restore-file"; readonly path: string; readonly inode: number | null }
  /** What lay where a restored file goes. */
  | { readonly step: "set-aside"; readonly from: string; readonly to: string }
  /** A restored domain; `previous` is the XML file of the one whose place it takes. */
  | {
    readonly step: "restore-domain";
    readonly uuid: string;
    readonly name: string;
    readonly previous: {
      readonly uuid: string;
      readonly xmlFile: string;
      readonly autostart: boolean;
    } | null;
  }
  /** Disks that stand on images of the backup, served from these folders, until they are filled from there. */
  | {
    readonly step: "fill";
    readonly socketFolder: string;
    readonly logFolder: string;
    readonly disks: readonly FilledDisk[];
  }
  | { readonly step: "filled" }
  /** The restore is whole: from here on nothing of it is undone. */
  | { readonly step: "restored" }
  | { readonly step: "restore-undone" }
  /** Someone wants to look at what the run made: only on request is it undone. */
  | { readonly step: "kept" };

/** A program that the guest agent runs. */
export interface GuestHook {
  readonly argv: Argv;
  readonly timeoutSeconds: number;
}

/** A disk that an overlay of ours was put over. */
export interface OverlayDisk {
  readonly target: string;
  readonly base: string;
  readonly baseFormat: string;
  readonly overlay: string;
}

/** A disk of an instant restore. */
export interface FilledDisk {
  readonly target: string;
  /** The local overlay, that ends as the whole disk. */
  readonly path: string;
  /** The backup's image, and what it must be. */
  readonly image: string;
  readonly sha256: string;
}

/** A step of a restore that can be undone. */
export type RestoreStep = Extract<
  JournalEntry,
  { step: "restore-file" | "set-aside" | "restore-domain" }
>;

const knownSteps: ReadonlySet<string> = new Set(
  [
    "begin",
    "freeze",
    "thawed",
    "guest-hook",
    "guest-hook-done",
    "backup-job",
    "backup-job-ended",
    "overlay",
    "overlay-gone",
    "partial",
    "partial-gone",
    "test-domain",
    "test-domain-gone",
    "test-network",
    "test-network-gone",
    "test-tpm",
    "test-tpm-gone",
    "restore-file",
    "set-aside",
    "restore-domain",
    "fill",
    "filled",
    "restored",
    "restore-undone",
    "kept",
  ] satisfies JournalEntry["step"][],
);

/** Reads a journal's lines; the last one may be torn by a crash, and then its step never began. */
export function readEntries(text: string, path: string): JournalEntry[] {
  const lines = text.split("\n");
  lines.pop();
  return lines.map((line, index) => {
    let entry: unknown;
    try {
      entry = JSON.parse(line);
    } catch {
      throw unreadable(path, index + 1, "is no JSON");
    }
    const step = (entry as { step?: unknown } | null)?.step;
    if (typeof step !== "string" || !knownSteps.has(step)) {
      throw unreadable(path, index + 1, `has the unknown step ${JSON.stringify(step)}`);
    }
    return entry as JournalEntry;
  });
}

function unreadable(path: string, line: number, what: string): VmbError {
  return new VmbError(`Journal ${path}:${line} ${what}`, {
    code: "journal.unreadable",
    hint: "It may be of a newer vmb: recover with that version, or look at the domain by hand",
  });
}
