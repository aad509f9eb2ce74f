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
  | { readonly step: "partial-gone"; readonly path: string };

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
    return this.path.slice(this.path.lastIndexOf("/") + 1, -".jsonl".length);
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
  const journal = await openJournal(files, path, []);
  if (journal === undefined) {
    throw new VmbError(`Journal "${path}" is in use by another run`, { code: "journal.in-use" });
  }
  await journal.write(begin);
  await files.syncFolder(folder);
  return journal;
}

/** Opens the journals that ended runs left behind; those of living runs are passed over. */
export async function leftJournals(files: Files, stateFolder: string): Promise<readonly Journal[]> {
  const folder = journalFolder(stateFolder);
  const journals: Journal[] = [];
  for (const name of await files.list(folder)) {
    if (!name.endsWith(".jsonl")) continue;
    const path = `${folder}/${name}`;
    const text = await files.readText(path);
    const journal = await openJournal(files, path, readEntries(text, path));
    // A line torn by a crash must not run into the next one.
    if (journal !== undefined && !text.endsWith("\n")) await journal.rewrite();
    if (journal !== undefined) journals.push(journal);
  }
  return journals;
}

async function openJournal(
  files: Files,
  path: string,
  entries: JournalEntry[],
): Promise<Journal | undefined> {
  const lock = await files.lock(lockPath(path));
  if (lock === undefined) return undefined;
  return new Journal(path, files, await files.appendTo(path), lock, entries);
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

/** What a run has begun and not undone, in no order. */
export interface Outstanding {
  readonly begin: Extract<JournalEntry, { step: "begin" }> | undefined;
  readonly frozen: boolean;
  readonly backupJob: boolean;
  readonly overlay: Extract<JournalEntry, { step: "overlay" }> | undefined;
  readonly partials: readonly string[];
}

export function outstandingOf(entries: readonly JournalEntry[]): Outstanding {
  let begin: Outstanding["begin"];
  let frozen = false;
  let backupJob = false;
  let overlay: Outstanding["overlay"];
  const partials = new Set<string>();
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
    }
  }
  return {
    begin,
    frozen,
    backupJob,
    overlay,
    partials: [...partials],
  };
}
