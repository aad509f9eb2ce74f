import { assertPassed, runChecks } from "../../core/checks/check.ts";
import { newCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { vmArgument } from "./vm_argument.ts";

export function checkCommand(context: CommandContext) {
  return newCommand("check", {
    summary: "Run the checks of a backup without making one",
    examples: ["vmb hv check prod-db-01", "vmb hv check prod-db-01 --post --json"],
    exits: { 6: "a check failed", 10: "no such VM or backup" },
  })
    .argument("<vm>", "name of the VM", vmArgument)
    .option("--pre", "the checks before a backup (default)")
    .option("--post", "the checks after a backup, on the last one")
    .option("--json", "print the results as JSON")
    .action(async (vm, { pre, post, json }) => {
      const { openExamination } = await import("../../core/backup/examination.ts");
      const { preChecks, postChecks } = await openExamination(
        context.system,
        await context.configuration(),
        vm,
      );
      const checks = [
        ...(pre || !post ? preChecks : []),
        ...(post ? await postChecks() : []),
      ];
      const results = await runChecks(checks, json ? () => {} : context.report);
      context.result(json, { vm, checks: results }, () => "");
      assertPassed(`Checks of "${vm}"`, results);
    });
}
