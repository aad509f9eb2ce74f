import { counted } from "../../core/format/counted.ts";
import { newCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { repositoryFolder } from "./repository_folder.ts";

export function tellCommand(context: CommandContext) {
  return newCommand("tell", {
    summary: "Tell Slack of jobs that failed and that it was not told of (vmb-tell.service does)",
    examples: ["vmb ctl tell", "vmb ctl tell --json"],
    exits: { 1: "Slack did not take all; what it did not take is told by the next run" },
  })
    .argument("[dir]", "folder of the repository", ".")
    .option("--json", "print the result as JSON")
    .action(async (dir, { json }) => {
      const { system, report } = context;
      const repository = await repositoryFolder(system, dir);
      const [{ controlPlaces }, { tellFailures }] = await Promise.all([
        import("../../core/deploy/places.ts"),
        import("../../core/deploy/tell_failures.ts"),
      ]);
      // The site says whether its containers are root's, but may be unreadable; they are of whoever tells.
      const { state } = controlPlaces({ rootless: system.host.uid() !== 0 }, system.host);
      const told = await tellFailures(system, { repository, state, report });
      context.result(json, { told }, () => `${counted(told.length, "failed job")} told\n`);
    });
}
