import type { Files } from "../sys/files.ts";
import { journalPaths, reopenJournal, runOfJournal } from "./journal.ts";
import { readEntries } from "./journal_entry.ts";
import { outstandingOf } from "./outstanding.ts";

/** A run that has a journal on this hypervisor. */
export interface RunState {
  readonly run: string;
  /** The VM that it is about; empty when its journal cannot be read. */
  readonly vm: string;
  /** `kept` was ended by somebody who wants to look at what it made; `killed` waits for `recover`. */
  readonly state: "alive" | "kept" | "killed";
}

/** How the runs stand whose journals are here; nothing is changed. */
export async function runStates(files: Files, stateFolder: string): Promise<readonly RunState[]> {
  const states: RunState[] = [];
  for (const path of await journalPaths(files, stateFolder)) {
    const run = runOfJournal(path);
    try {
      const journal = await reopenJournal(files, path);
      if (journal !== undefined) {
        const { begin, kept } = journal.outstanding();
        await journal.abandon();
        states.push({ run, vm: begin?.vm ?? "", state: kept ? "kept" : "killed" });
      } else if (await files.inspect(path) !== undefined) {
        // The line that is being written may be half there.
        const { begin } = outstandingOf(readEntries(await files.readText(path), path));
        states.push({ run, vm: begin?.vm ?? "", state: "alive" });
      }
    } catch {
      // What cannot be read, `recover` will say.
      states.push({ run, vm: "", state: "killed" });
    }
  }
  return states;
}
