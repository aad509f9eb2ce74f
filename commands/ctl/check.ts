import { assertPassed } from "../../core/checks/check.ts";
import { toVmbError } from "../../core/error.ts";
import { newCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { consoleOption, monitorOf } from "./console_options.ts";
import { repositoryFolder } from "./repository_folder.ts";

export function checkCommand(context: CommandContext) {
  return newCommand("check", {
    summary: "Look whether the next cycle can run, and whether the last one was good",
    examples: ["vmb ctl check", "vmb ctl check --json"],
    exits: {
      4: "site.yaml, vm-list.yaml or secrets.conf is wrong; --alert tells that too",
      6: "something is wrong; each is named, with what to do",
    },
  })
    .argument("[dir]", "folder of the repository", ".")
    .option("--alert", "tell Slack what fails, when it is news (the timer does)")
    .addOption(consoleOption())
    .option("--json", "print the result as JSON")
    .action(async (dir, { alert: tellSlack, consoleConfig, json }) => {
      const { system, report } = context;
      const repository = await repositoryFolder(system, dir);
      const { openHealth } = await import("../../core/deploy/open_health.ts");
      const bconsole = monitorOf(context, { consoleConfig });
      const opening = openHealth(system, repository, { bconsole, report });
      const health = await opening.catch(async (thrown) => {
        const { alertNotRun } = await import("../../core/deploy/alert.ts");
        if (tellSlack) await alertNotRun(system, toVmbError(thrown), { repository, report });
        throw thrown;
      });
      const { checkHealth } = await import("../../core/deploy/health.ts");
      const checks = await checkHealth(health, report, { missing: "failed" });
      const { site, secrets } = health.sources;
      const webhook = secrets.get("SLACK_FAILURE_WEBHOOK");
      if (tellSlack && webhook !== undefined) {
        const { alert } = await import("../../core/deploy/alert.ts");
        const { state } = health.places;
        await alert(system, checks, { site: site.name, webhook, state, report });
      }
      const failures = checks.filter(({ outcome }) => outcome === "failed").length;
      context.result(
        json,
        { site: site.name, ok: failures === 0, checks },
        () =>
          failures === 0
            ? `${site.name}: ${checks.length} checks, none failed\n`
            : `${site.name}: ${failures} of ${checks.length} checks failed\n`,
      );
      assertPassed(`Check of ${site.name}`, checks);
    });
}
