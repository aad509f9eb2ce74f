import type { VmbError } from "../error.ts";
import type { RunKind } from "../journal/live_runs.ts";
import { failureMessage, sendToSlack, successMessage } from "../notify/slack.ts";
import type { RunFacts } from "./record.ts";
import type { Run } from "./open_run.ts";

const titles: Readonly<Record<RunKind, string>> = {
  "backup": "Backup",
  "restore": "Restore",
  "test-restore": "Test restore",
};

type Told = Pick<Run, "kind" | "vm" | "settings" | "system" | "report">;

/** Tells Slack at once that a run failed, where one is configured. */
export async function tellFailure(run: Told, step: string, error: VmbError): Promise<void> {
  const webhook = run.settings.slackFailureWebhook;
  // Who restores sits at the screen, and is told there.
  if (webhook === undefined || run.kind === "restore") return;
  await sendToSlack(
    run.system,
    webhook,
    failureMessage({ ...noticeOf(run), step, error }),
    run.report,
  );
}

/** Tells Slack how a run ended that nothing made throw: a proof may have found that a backup does not live. */
export async function tellEnd(run: Told, facts: RunFacts): Promise<void> {
  const { settings, system, report } = run;
  if (run.kind === "restore") return;
  if (facts.error !== undefined) return await tellFailure(run, "verdict", facts.error);
  const webhook = settings.slackSuccessWebhook;
  if (webhook === undefined) return;
  const message = successMessage({ ...noticeOf(run), text: facts.text });
  await sendToSlack(system, webhook, message, report);
}

function noticeOf({ kind, vm, settings, system }: Told) {
  return {
    title: titles[kind],
    command: `vmb hv ${kind} ${vm}`,
    vm,
    hypervisor: settings.hypervisorName,
    time: system.clock.now(),
  };
}
