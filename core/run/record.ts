import { toVmbError, type VmbError } from "../error.ts";
import type { RunKind } from "../journal/live_runs.ts";
import { metadataFolder } from "../repository/layout.ts";
import { shareMount } from "../repository/share.ts";
import type { Run } from "./open_run.ts";

/** What a run tells of its end, when nothing made it throw. */
export interface RunFacts {
  /** A proof that fails is a failure of the backup, not of the run. */
  readonly result: RunResult;
  /** What the command will say of a result that is not ok. */
  readonly error?: VmbError | undefined;
  /** One line for people. */
  readonly text: string;
  readonly backupId: string | null;
  readonly bytesRead?: number;
  readonly bytesWritten?: number;
}

export type RunResult = "ok" | "failed" | "inconclusive";

/** `metadata/runs/<run>.json`: what a run was, and how it ended. */
export interface RunRecord {
  readonly schemaVersion: 1;
  readonly kind: RunKind;
  readonly result: RunResult;
  readonly vm: string;
  readonly hypervisor: string;
  readonly runId: string;
  readonly backupId: string | null;
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly step: string;
  readonly text: string;
  readonly error:
    | { readonly code: string; readonly message: string; readonly hint: string | null }
    | null;
  readonly warnings: readonly string[];
  readonly seconds: Record<string, number>;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly baculaJobId: number | null;
}

/** What the record of a run needs of it. */
type Recorded = Pick<
  Run,
  "kind" | "vm" | "settings" | "runId" | "startedAt" | "system" | "log" | "phases" | "jobId"
>;

export function recordOf(
  run: Recorded,
  outcome: RunFacts | { readonly error: VmbError; readonly step: string },
): RunRecord {
  const facts = "result" in outcome ? outcome : undefined;
  const step = "step" in outcome ? outcome.step : "done";
  const { error } = outcome;
  return {
    schemaVersion: 1,
    kind: run.kind,
    result: facts?.result ?? "failed",
    vm: run.vm,
    hypervisor: run.settings.hypervisorName,
    runId: run.runId,
    backupId: facts?.backupId ?? null,
    startedAt: run.startedAt.toISOString(),
    finishedAt: run.system.clock.now().toISOString(),
    step,
    text: facts?.text ?? error?.message ?? "",
    error: error === undefined ? null : {
      code: error.code,
      message: error.message,
      hint: error.hint ?? null,
    },
    warnings: run.log.warnings(),
    seconds: run.phases.seconds(),
    bytesRead: facts?.bytesRead ?? 0,
    bytesWritten: facts?.bytesWritten ?? 0,
    baculaJobId: run.jobId,
  };
}

/**
 * Keeps the record of a run on the share; `last-run-summary.json` is that of the last backup. A share that does
 * not take it is no new failure.
 */
export async function keepRecord(
  { system, settings, share, report }: Pick<Run, "system" | "settings" | "share" | "report">,
  record: RunRecord,
): Promise<void> {
  const folder = metadataFolder(settings.backupRoot);
  const text = `${JSON.stringify(record, null, 2)}\n`;
  try {
    // On an unmounted share it would land on the root disk.
    const { readonly } = await shareMount(system, settings);
    if (readonly) return;
    await share.makeFolder(`${folder}/runs`);
    await share.write(`${folder}/runs/${record.runId}.json`, text, { mode: 0o640 });
    if (record.kind !== "backup") return;
    await share.write(`${folder}/last-run-summary.json`, text, { mode: 0o640 });
  } catch (thrown) {
    const error = toVmbError(thrown);
    // Said already, if the run itself failed for it.
    if (record.error?.message.includes(error.message)) return;
    report({ kind: "warning", text: `Record of the run was not written: ${error.message}` });
  }
}
