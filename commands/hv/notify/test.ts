import { exitCodes, VmbError } from "../../../core/error.ts";
import { newCommand } from "../../command.ts";
import type { CommandContext } from "../../context.ts";

export function notifyTestCommand(context: CommandContext) {
  return newCommand("test", {
    summary: "Send a test message to every Slack webhook that is configured",
    examples: ["vmb hv notify test"],
  })
    .option("--json", "print the result as JSON")
    .action(async ({ json }) => {
      const { settings } = await context.configuration();
      const { sendToSlack, testMessage } = await import("../../../core/notify/slack.ts");
      const { system, report } = context;
      const webhooks = [
        { key: "SLACK_FAILURE_WEBHOOK", url: settings.slackFailureWebhook },
        { key: "SLACK_SUCCESS_WEBHOOK", url: settings.slackSuccessWebhook },
      ];
      if (webhooks.every(({ url }) => url === undefined)) {
        throw new VmbError("No webhook is configured", {
          code: "notify.none",
          exit: exitCodes.config,
          hint: "Set SLACK_FAILURE_WEBHOOK in vm-backup.conf",
        });
      }
      const sent: { key: string; sent: boolean }[] = [];
      for (const { key, url } of webhooks) {
        if (url === undefined) continue;
        const message = testMessage(settings.hypervisorName, system.clock.now());
        sent.push({ key, sent: await sendToSlack(system, url, message, report) });
      }
      context.result(
        json,
        { webhooks: sent },
        () => sent.map(({ key, sent }) => `${key}: ${sent ? "sent" : "not sent"}\n`).join(""),
      );
      const failed = sent.filter(({ sent }) => !sent);
      if (failed.length === 0) return;
      throw new VmbError(`Slack took no message for ${failed.map(({ key }) => key).join(", ")}`, {
        code: "notify.failed",
      });
    });
}
