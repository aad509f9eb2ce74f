import { toVmbError } from "../error.ts";
import { announceRun } from "../journal/live_runs.ts";
import { assertRecovered, recover } from "../recovery/recover.ts";
import { isLocked } from "../repository/lock.ts";
import type { RunLog } from "./log.ts";
import { tellEnd, tellFailure } from "./notice.ts";
import type { Run } from "./open_run.ts";
import { keepRecord, recordOf, type RunFacts } from "./record.ts";

/** A value for the caller, and what the record of the run tells of it. */
export interface Ended<T> {
  readonly value: T;
  readonly facts: RunFacts;
}

/**
 * Carries out one run, from what earlier runs left to the record and the message about this one. The body
 * takes its lock by `withLock`, and what it changes stands in a journal by `withJournal`: however it ends,
 * nothing is left held.
 *
 * @throws {VmbError} of the step that failed, after everything was undone, recorded and told
 */
export async function withRun<T>(run: Run, body: () => Promise<Ended<T>>): Promise<T> {
  const { system, settings, report, log, phases } = run;
  let unannounce = () => Promise.resolve();
  try {
    unannounce = await announceRun(system.files, settings.stateDir, {
      ...{ kind: run.kind, run: run.runId, vm: run.vm, jobId: run.jobId },
      pid: system.host.pid,
      since: run.startedAt.toISOString(),
    });
    await recoverOlder(run);
    const { value, facts } = await body();
    await keepRecord(run, recordOf(run, facts));
    noteEnd(log, facts);
    await tellEnd(run, facts);
    return value;
  } catch (thrown) {
    const error = toVmbError(thrown);
    const step = phases.current();
    log.note({ kind: "error", text: error.message, hint: error.hint });
    // The run that holds the lock writes its own.
    if (!isLocked(error)) await keepRecord(run, recordOf(run, { error, step }));
    await tellFailure(run, step, error);
    throw error;
  } finally {
    await unannounce().catch((error) =>
      report({ kind: "warning", text: toVmbError(error).message })
    );
    await log.close();
  }
}

async function recoverOlder({ system, settings, report, shareTimeoutMs, ...run }: Run) {
  run.phases.begin("recover", "Looking for what a killed run left");
  const recoveries = await recover(settings.stateDir, { system, report, shareTimeoutMs });
  // A test restore has nothing to do with the VM itself.
  if (run.kind === "test-restore") return;
  // Another VM's trouble must not keep this one from its backup.
  assertRecovered(recoveries.filter(({ vm }) => vm === run.vm || vm === ""));
}

/** A log ends with what the screen shows last. */
function noteEnd(log: RunLog, { result, text, error }: RunFacts): void {
  if (error === undefined) log.note({ kind: "info", text: `${result}: ${text}` });
  else log.note({ kind: "error", text: error.message, hint: error.hint });
}
