import { VmbError } from "../error.ts";
import type { FileLock, Files, LineFile } from "../sys/files.ts";

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
    readonly previous: { readonly uuid: string; readonly xmlFile: string } | null;
  }
  /** The restore is whole: from here on nothing of it is undone. */
  | { readonly step: "restored" }
  | { readonly step: "restore-undone" }
  /** Someone wants to look at what the run made: only on request is it undone. */
  | { readonly step: "kept" };

/** A disk that an overlay of ours was put over. */
export interface OverlayDisk {
  readonly target: string;
  readonly base: string;
  readonly baseFormat: string;
  readonly overlay: string;
}

/** The journal of one run, open for writing; its lock says that the run is alive. */
export class Journal {
  readonly path: string;
  readonly #files: Files;
  #lines: LineFile;
  readonly #lock: FileLock;
  readonly entries: JournalEntry[];

  constructor(
    path: string,
    files: Files,
    lines: LineFile,
    lock: FileLock,
    entries: JournalEntry[],
  ) {
    this.path = path;
    this.#files = files;
    this.#lines = lines;
    this.#lock = lock;
    this.entries = entries;
  }

  async write(entry: JournalEntry): Promise<void> {
    await this.#lines.append(JSON.stringify(entry));
    this.entries.push(entry);
  }

  /** Replaces the file by its whole entries. */
  async rewrite(): Promise<void> {
    await this.#lines.close();
    await this.#files.write(
      this.path,
      this.entries.map((entry) => `${JSON.stringify(entry)}\n`).join(""),
    );
    this.#lines = await this.#files.appendTo(this.path);
  }

  /** Id of the run, which also names its snapshot. */
  get run(): string {
    return runOfJournal(this.path);
  }

  /** What the entries so far say is still to be undone. */
  outstanding(): Outstanding {
    return outstandingOf(this.entries);
  }

  /** Ends the run: nothing is outstanding, so the journal goes. */
  async end(): Promise<void> {
    await this.#lines.close();
    await this.#files.remove(this.path);
    await this.#lock.release();
    await this.#files.remove(lockPath(this.path));
  }

  /** Lets the journal lie for a later `recover`. */
  async abandon(): Promise<void> {
    await this.#lines.close();
    await this.#lock.release();
  }
}

export function journalFolder(stateFolder: string): string {
  return `${stateFolder}/journal`;
}

/** Begins the journal of a run. */
export async function beginJournal(
  files: Files,
  stateFolder: string,
  begin: Extract<JournalEntry, { step: "begin" }>,
): Promise<Journal> {
  const folder = journalFolder(stateFolder);
  await files.makeFolder(folder, { mode: 0o700 });
  const path = `${folder}/${begin.run}.jsonl`;
  const lock = await files.lock(lockPath(path));
  if (lock === undefined) {
    throw new VmbError(`Journal "${path}" is in use by another run`, { code: "journal.in-use" });
  }
  const journal = new Journal(path, files, await files.appendTo(path), lock, []);
  await journal.write(begin);
  await files.syncFolder(folder);
  return journal;
}

/** Paths of the journals that there are, of living runs and of ended ones. */
export async function journalPaths(files: Files, stateFolder: string): Promise<readonly string[]> {
  const folder = journalFolder(stateFolder);
  const names = await files.list(folder);
  return names.filter((name) => name.endsWith(".jsonl")).map((name) => `${folder}/${name}`);
}

/**
 * Opens the journal that an ended run left behind.
 *
 * @returns `undefined` when its run lives, or has ended properly by now
 * @throws {VmbError} `journal.unreadable` with the line that is not understood
 */
export async function reopenJournal(files: Files, path: string): Promise<Journal | undefined> {
  const lock = await files.lock(lockPath(path));
  if (lock === undefined) return undefined;
  if (await files.inspect(path) === undefined) {
    await lock.release();
    await files.remove(lockPath(path));
    return undefined;
  }
  try {
    // Read under the lock: before it, the run may have taken one more step.
    const text = await files.readText(path);
    const entries = readEntries(text, path);
    const journal = new Journal(path, files, await files.appendTo(path), lock, entries);
    // A line torn by a crash must not run into the next one.
    if (!text.endsWith("\n")) await journal.rewrite();
    return journal;
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** Id of the run that a journal is of. */
export function runOfJournal(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1, -".jsonl".length);
}

function lockPath(path: string): string {
  return `${path}.lock`;
}

const knownSteps: ReadonlySet<string> = new Set(
  [
    "begin",
    "freeze",
    "thawed",
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

/** A step of a restore that can be undone. */
export type RestoreStep = Extract<
  JournalEntry,
  { step: "restore-file" | "set-aside" | "restore-domain" }
>;

/** What a run has begun and not undone, in no order. */
export interface Outstanding {
  readonly begin: Extract<JournalEntry, { step: "begin" }> | undefined;
  readonly frozen: boolean;
  readonly backupJob: boolean;
  readonly overlay: Extract<JournalEntry, { step: "overlay" }> | undefined;
  readonly partials: readonly string[];
  readonly testDomain: Extract<JournalEntry, { step: "test-domain" }> | undefined;
  readonly testNetwork: Extract<JournalEntry, { step: "test-network" }> | undefined;
  readonly testTpm: Extract<JournalEntry, { step: "test-tpm" }> | undefined;
  /** In the order in which they were done. */
  readonly restore: readonly RestoreStep[];
  readonly kept: boolean;
}

export function outstandingOf(entries: readonly JournalEntry[]): Outstanding {
  let begin: Outstanding["begin"];
  let frozen = false;
  let backupJob = false;
  let overlay: Outstanding["overlay"];
  const partials = new Set<string>();
  let testDomain: Outstanding["testDomain"];
  let testNetwork: Outstanding["testNetwork"];
  let testTpm: Outstanding["testTpm"];
  let restore: RestoreStep[] = [];
  let kept = false;
  for (const entry of entries) {
    switch (entry.step) {
      case "begin":
        begin = entry;
        break;
      case "freeze":
      case "thawed":
        frozen = entry.step === "freeze";
        break;
      case "backup-job":
      case "backup-job-ended":
        backupJob = entry.step === "backup-job";
        break;
      case "overlay":
        overlay = entry;
        break;
      case "overlay-gone":
        overlay = undefined;
        break;
      case "partial":
        partials.add(entry.path);
        break;
      case "partial-gone":
        partials.delete(entry.path);
        break;
      case "test-domain":
        testDomain = entry;
        break;
      case "test-domain-gone":
        testDomain = undefined;
        break;
      case "test-network":
        testNetwork = entry;
        break;
      case "test-network-gone":
        testNetwork = undefined;
        break;
      case "test-tpm":
        testTpm = entry;
        break;
      case "test-tpm-gone":
        testTpm = undefined;
        break;
      case "restore-file":
      case "set-aside":
      case "restore-domain":
        restore.push(entry);
        break;
      case "restored":
      case "restore-undone":
        restore = [];
        break;
      case "kept":
        kept = true;
        break;
    }
  }
  return {
    begin,
    frozen,
    backupJob,
    overlay,
    partials: [...partials],
    testDomain,
    testNetwork,
    testTpm,
    restore,
    kept,
  };
}
