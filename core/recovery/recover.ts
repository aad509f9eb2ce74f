import { toVmbError, VmbError } from "../error.ts";
import { journalPaths, reopenJournal, runOfJournal } from "../journal/journal.ts";
import { liveRuns } from "../journal/live_runs.ts";
import { type UndoOptions, undoRun } from "../undo/undo_run.ts";

export interface Recovery {
  readonly run: string;
  readonly vm: string;
  /** Why it could not be put right; `undefined` when it was. */
  readonly problem: string | undefined;
}

export interface RecoverOptions extends UndoOptions {
  /** Also removes the test copies that someone wanted to keep. */
  readonly kept?: boolean;
}

/**
 * Puts right what killed runs left on this hypervisor; runs that live are not touched.
 *
 * @returns one entry for each run that was found
 */
export async function recover(
  stateFolder: string,
  options: RecoverOptions,
): Promise<readonly Recovery[]> {
  const { files } = options.system;
  const recoveries: Recovery[] = [];
  // Looking at them forgets the dead.
  await liveRuns(files, stateFolder);
  for (const path of await journalPaths(files, stateFolder)) {
    const run = runOfJournal(path);
    let vm = "";
    try {
      const journal = await reopenJournal(files, path);
      if (journal === undefined) continue;
      const { begin, kept, fill, restored } = journal.outstanding();
      vm = begin?.vm ?? "";
      if (kept && !options.kept) {
        await journal.abandon();
        continue;
      }
      options.report({
        kind: "warning",
        text: `Run ${run} of "${vm}" ${
          kept ? "kept its test copy" : fill && restored ? "left disks to be filled" : "was killed"
        }; putting right what it left`,
      });
      await undoRun(journal, options);
      recoveries.push({ run, vm, problem: undefined });
    } catch (thrown) {
      const error = toVmbError(thrown);
      const kind = error.code === "restore.filling" ? "warning" : "error";
      options.report({ kind, text: error.message, hint: error.hint });
      recoveries.push({ run, vm, problem: error.message });
      options.waiting?.throwIfAborted();
    }
  }
  return recoveries;
}

/** @throws {VmbError} `recover.failed` when a run could not be put right */
export function assertRecovered(recoveries: readonly Recovery[]): void {
  const failed = recoveries.filter(({ problem }) => problem !== undefined);
  if (failed.length === 0) return;
  throw new VmbError(
    `Recovery failed: ${failed.map(({ vm, problem }) => `"${vm}": ${problem}`).join("; ")}`,
    { code: "recover.failed", hint: "Follow the hint above, then run: vmb hv recover" },
  );
}
