import {
  beginJournal,
  type Journal,
  journalPaths,
  reopenJournal,
} from "../../../core/journal/journal.ts";
import type { JournalEntry } from "../../../core/journal/journal_entry.ts";
import { type Files, systemFiles } from "../../../core/sys/files.ts";

export type BeginEntry = Extract<JournalEntry, { step: "begin" }>;

/** The first line of a journal, of a run that never was. */
export function beginEntry(folder: string, changes: Partial<BeginEntry> = {}): BeginEntry {
  return {
    step: "begin",
    run: "vmb-2026-11-21-120000-77",
    vm: "test",
    uuid: "6695eb01-f6a4-8304-79aa-97f2502e193f",
    uri: "test:///default",
    pid: 77,
    scratchFolder: `${folder}/scratch/vmb-2026-11-21-120000-77`,
    stagingFolder: `${folder}/state/runs/vmb-2026-11-21-120000-77`,
    time: "2026-11-21T12:00:00.000Z",
    ...changes,
  };
}

/** A journal with these entries after its first one, open for writing. */
export async function journalWith(
  folder: string,
  entries: readonly JournalEntry[],
  changes: Partial<BeginEntry> = {},
): Promise<Journal> {
  const journal = await beginJournal(systemFiles, `${folder}/state`, beginEntry(folder, changes));
  for (const entry of entries) await journal.write(entry);
  return journal;
}

/** All journals of runs that ended. */
export async function leftJournals(files: Files, stateFolder: string): Promise<readonly Journal[]> {
  const paths = await journalPaths(files, stateFolder);
  const journals = await Promise.all(paths.map((path) => reopenJournal(files, path)));
  return journals.filter((journal) => journal !== undefined);
}
