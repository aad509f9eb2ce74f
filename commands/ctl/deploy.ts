import { exitCodes, VmbError } from "../../core/error.ts";
import type { Terminal } from "../../core/sys/terminal.ts";
import { newCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { warnOfClockChange } from "./clock_warning.ts";
import { monitorOf } from "./console_options.ts";
import { repositoryFolder } from "./repository_folder.ts";

export function deployCommand(context: CommandContext) {
  return newCommand("deploy", {
    summary: "Bring this machine to the state of the repository; shows the plan, and asks",
    examples: [
      "vmb ctl deploy --dry-run",
      "vmb ctl deploy --yes",
      "vmb ctl deploy --redeploy   # a new machine takes over, with the catalog of the old one",
    ],
    exits: {
      6: "this machine is not fit, or what was deployed does not do its work",
      11: "a job runs that would be lost, or another deploy",
    },
  })
    .argument("[dir]", "folder of the repository", ".")
    .option("--dry-run", "show what would be done")
    .option("--yes", "do not ask")
    .option("--redeploy", "make every container anew; bring the catalog back from its last dump")
    .option("--json", "print the result as JSON")
    .action(async (dir, { dryRun, yes, redeploy, json }) => {
      const { system, terminal, report, signal } = context;
      const repository = await repositoryFolder(system, dir);
      const { loadSources } = await import("../../core/deploy/load_sources.ts");
      const { sources } = await loadSources(system, repository, report);
      warnOfClockChange(context, sources.site);
      const { deploy } = await import("../../core/deploy/deploy.ts");
      const { describePlan, showPlan } = await import("../../core/deploy/describe_plan.ts");
      const { kind, plan, preflight, smoke } = await deploy(system, sources, {
        bconsole: monitorOf(context),
        redeploy: redeploy ?? false,
        dryRun: dryRun ?? false,
        confirm: (plan) => yes === true || ask(terminal, showPlan(plan)),
        report,
        signal,
      });
      context.result(json, { outcome: kind, plan: describePlan(plan), preflight, smoke }, () => {
        switch (kind) {
          case "nothing":
            return "No changes\n";
          case "planned":
            return `${showPlan(plan)}Nothing was changed: --dry-run\n`;
          case "declined":
            return "Nothing was changed\n";
          case "deployed":
            return `Deployed: https://${sources.site.control.host}:${sources.site.ports.web}/\n`;
        }
      });
    });
}

/** @throws {VmbError} `usage.confirm` (exit 2) when there is nobody to ask */
function ask(terminal: Terminal, plan: string): boolean {
  const answer = terminal.ask(`${plan}Type yes to do this: `);
  if (answer !== undefined) return answer === "yes";
  throw new VmbError("There are changes to make, and nobody to ask", {
    code: "usage.confirm",
    exit: exitCodes.usage,
    hint: "Look at them with --dry-run, and give --yes",
  });
}
