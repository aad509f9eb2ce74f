import { toVmbError, type VmbError } from "../error.ts";
import { metadataFolder } from "../repository/layout.ts";
import type { Manifest } from "../repository/manifest.ts";
import { shareMount } from "../repository/share.ts";
import type { BackupContext } from "./context.ts";

/** `metadata/last-run-summary.json`: what the last run of the site was, and how it ended. */
export interface RunSummary {
  readonly schemaVersion: 1;
  readonly result: "ok" | "failed";
  readonly vm: string;
  readonly hypervisor: string;
  readonly runId: string;
  readonly backupId: string | null;
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly step: string;
  readonly error:
    | { readonly code: string; readonly message: string; readonly hint: string | null }
    | null;
  readonly warnings: readonly string[];
  readonly seconds: Record<string, number>;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly baculaJobId: number | null;
}

export function summarize(
  context: BackupContext,
  outcome: { readonly manifest: Manifest } | { readonly error: VmbError; readonly step: string },
): RunSummary {
  const failed = "error" in outcome;
  return {
    schemaVersion: 1,
    result: failed ? "failed" : "ok",
    vm: context.entry.name,
    hypervisor: context.settings.hypervisorName,
    runId: context.runId,
    backupId: failed ? null : outcome.manifest.id,
    startedAt: context.startedAt.toISOString(),
    finishedAt: context.system.clock.now().toISOString(),
    step: failed ? outcome.step : "done",
    error: failed
      ? {
        code: outcome.error.code,
        message: outcome.error.message,
        hint: outcome.error.hint ?? null,
      }
      : null,
    warnings: context.log.warnings(),
    seconds: context.phases.seconds(),
    bytesRead: failed ? 0 : outcome.manifest.bytesRead,
    bytesWritten: failed ? 0 : outcome.manifest.bytesWritten,
    baculaJobId: context.request.baculaJobId ?? null,
  };
}

/** Writes the summary; a share that does not take it is no new failure. */
export async function writeSummary(
  { system, settings, share, report }: Pick<
    BackupContext,
    "system" | "settings" | "share" | "report"
  >,
  summary: RunSummary,
): Promise<void> {
  const folder = metadataFolder(settings.backupRoot);
  try {
    // On an unmounted share it would land on the root disk.
    await shareMount(system, settings);
    await share.makeFolder(folder);
    await share.write(`${folder}/last-run-summary.json`, `${JSON.stringify(summary, null, 2)}\n`, {
      mode: 0o640,
    });
  } catch (error) {
    report({
      kind: "warning",
      text: `Summary of the run was not written: ${toVmbError(error).message}`,
    });
  }
}
