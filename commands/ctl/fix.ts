import { exitCodes, VmbError } from "../../core/error.ts";
import { newCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { monitorOf } from "./console_options.ts";
import { repositoryFolder } from "./repository_folder.ts";

export function fixCommand(context: CommandContext) {
  return newCommand("fix", {
    summary: "Check, and mend what can be mended without a change of the configuration",
    examples: ["vmb ctl fix --dry-run", "vmb ctl fix"],
    exits: { 6: "something is still wrong afterwards" },
  })
    .argument("[dir]", "folder of the repository", ".")
    .option("--dry-run", "say what would be done")
    .option("--json", "print the result as JSON")
    .action(async (dir, { dryRun, json }) => {
      const { system, report, signal } = context;
      const repository = await repositoryFolder(system, dir);
      const { openHealth } = await import("../../core/deploy/open_health.ts");
      const health = await openHealth(system, repository, { bconsole: monitorOf(context), report });
      const { checkHealth } = await import("../../core/deploy/health.ts");
      const { applyMends, planMends, showMend } = await import("../../core/deploy/fix.ts");
      const before = await checkHealth(health, report);
      const mends = planMends(before);
      const planned = mends.map((mend) => ({ ...mend, text: showMend(mend) }));
      if (dryRun) {
        return context.result(
          json,
          { outcome: "planned", mends: planned },
          () =>
            planned.length === 0
              ? "Nothing that fix could mend\n"
              : planned.map(({ text, because }) => `  ${text}: ${because}\n`).join(""),
        );
      }
      const { withDeployLock } = await import("../../core/deploy/deploy.ts");
      const outcomes = mends.length === 0 ? [] : await withDeployLock(
        system,
        health.places.state,
        () => applyMends(health, mends, { report, signal }),
      );
      const after = outcomes.length === 0 ? before : await checkHealth(health, report);
      const left = after.filter(({ outcome }) => outcome === "failed");
      context.result(json, { outcome: "fixed", mends: outcomes, left }, () =>
        [
          ...outcomes.map(({ mend, done, detail }) =>
            `${done ? "done" : "FAILED"}  ${showMend(mend)}: ${detail}`
          ),
          ...outcomes.length === 0 ? ["Nothing that fix could mend"] : [],
          ...left.map(({ name, detail, hint }) =>
            `left    ${name}: ${detail}${hint === undefined ? "" : ` (${hint})`}`
          ),
          "",
        ].join("\n"));
      if (left.length === 0) return;
      throw new VmbError(`Still wrong: ${left.map(({ name }) => name).join(", ")}`, {
        code: "checks.failed",
        exit: exitCodes.problems,
        hint: left[0]?.hint,
      });
    });
}
