import { VmbError } from "../error.ts";
import type { FileLock, Files, LineFile } from "../sys/files.ts";
import { type JournalEntry, readEntries } from "./journal_entry.ts";
import { type Outstanding, outstandingOf } from "./outstanding.ts";

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
