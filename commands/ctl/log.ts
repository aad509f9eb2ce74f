import { newCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { positiveNumber } from "../positive_number.ts";
import { consoleOf, consoleOption } from "./console_options.ts";

export function logCommand(context: CommandContext) {
  return newCommand("log", {
    summary: "Show the messages of a job, also while it runs",
    examples: ["vmb ctl log 4711"],
    exits: { 10: "no such job" },
  })
    .argument("<job>", "number of the job", positiveNumber)
    .addOption(consoleOption())
    .option("--json", "print them as JSON")
    .action(async (id, options) => {
      const { getJob, jobLog } = await import("../../core/bacula/job.ts");
      const { showEntry } = await import("../../core/bacula/job_log.ts");
      const bconsole = consoleOf(context, options);
      const job = await getJob(bconsole, id);
      const log = await jobLog(bconsole, id);
      context.result(
        options.json,
        { job, log },
        () => log.map((entry) => `${showEntry(entry)}\n`).join(""),
      );
    });
}
