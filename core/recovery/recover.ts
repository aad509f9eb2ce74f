import { toVmbError, VmbError } from "../error.ts";
import { leftJournals } from "./journal.ts";
import { type UndoOptions, undoRun } from "./undo.ts";

export interface Recovery {
  readonly run: string;
  readonly vm: string;
  /** Why it could not be put right; `undefined` when it was. */
  readonly problem: string | undefined;
}

/**
 * Puts right what killed runs left on this hypervisor; runs that live are not touched.
 *
 * @returns one entry for each run that was found
 */
export async function recover(
  stateFolder: string,
  options: UndoOptions,
): Promise<readonly Recovery[]> {
  const recoveries: Recovery[] = [];
  for (const journal of await leftJournals(options.system.files, stateFolder)) {
    const vm = journal.outstanding().begin?.vm ?? "";
    options.report({
      kind: "warning",
      text: `Run ${journal.run} of "${vm}" was killed; putting right what it left`,
    });
    try {
      await undoRun(journal, options);
      recoveries.push({ run: journal.run, vm, problem: undefined });
    } catch (thrown) {
      const error = toVmbError(thrown);
      options.report({ kind: "error", text: error.message, hint: error.hint });
      recoveries.push({ run: journal.run, vm, problem: error.message });
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
