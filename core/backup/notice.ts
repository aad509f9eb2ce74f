import type { VmbError } from "../error.ts";
import { formatBytes } from "../format/bytes.ts";
import { formatDuration } from "../format/duration.ts";
import { failureMessage, sendToSlack, successMessage } from "../notify/slack.ts";
import type { Manifest } from "../repository/manifest.ts";
import type { BackupContext } from "./context.ts";

/** Tells Slack at once that a run failed, where one is configured. */
export async function tellFailure(
  context: BackupContext,
  step: string,
  error: VmbError,
): Promise<void> {
  const webhook = context.settings.slackFailureWebhook;
  if (webhook === undefined) return;
  const message = failureMessage({ ...noticeOf(context), step, error });
  await sendToSlack(context.system, webhook, message, context.report);
}

export async function tellSuccess(context: BackupContext, manifest: Manifest): Promise<void> {
  const webhook = context.settings.slackSuccessWebhook;
  if (webhook === undefined) return;
  const seconds = Object.values(manifest.seconds).reduce((sum, value) => sum + value, 0);
  const text = `${manifest.level}, ${manifest.consistency}-consistent, ${
    formatBytes(manifest.bytesWritten)
  } in ${formatDuration(seconds * 1000)}${
    manifest.warnings.length > 0 ? `, ${manifest.warnings.length} warnings` : ""
  }`;
  await sendToSlack(
    context.system,
    webhook,
    successMessage({ ...noticeOf(context), text }),
    context.report,
  );
}

function noticeOf({ entry, settings, system }: BackupContext) {
  return { vm: entry.name, hypervisor: settings.hypervisorName, time: system.clock.now() };
}
