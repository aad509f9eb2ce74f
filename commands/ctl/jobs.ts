import type { PastJob } from "../../core/bacula/job_history.ts";
import { newCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { table } from "../output/table.ts";
import { positiveNumber } from "../positive_number.ts";
import { consoleOf, consoleOption, inventoryOf, repositoryOption } from "./console_options.ts";
import { jobDuration, localTime } from "./job_time.ts";

export function jobsCommand(context: CommandContext) {
  return newCommand("jobs", {
    summary: "List the jobs of the last days, with the time that they really took",
    examples: ["vmb ctl jobs", "vmb ctl jobs --days 30 --json"],
  })
    .option("--days <n>", "how far to look back", positiveNumber, 7)
    .addOption(repositoryOption())
    .addOption(consoleOption())
    .option("--json", "print them as JSON")
    .action(async (options) => {
      const inventory = await inventoryOf(context, options);
      const { jobHistory } = await import("../../core/bacula/job_history.ts");
      const { vmOfJob } = await import("../../core/bacula/run_job.ts");
      const { timeZone } = inventory.site;
      const history = await jobHistory(consoleOf(context, options), {
        days: options.days,
        timeZone,
      });
      const jobs = history.map((job) => ({ ...job, vm: vmOfJob(inventory, job.job) ?? null }));
      context.result(
        options.json,
        { jobs },
        () =>
          jobs.length === 0 ? `no job in the last ${options.days} days\n` : table([
            ["ID", "VM OR JOB", "LEVEL", "RESULT", "BEGAN", "TOOK"],
            ...jobs.map((job) => [
              String(job.id),
              job.vm ?? job.job,
              job.level ?? "-",
              job.result,
              localTime(job.beganAt ?? job.queuedAt, timeZone),
              took(job),
            ]),
          ]),
      );
    });
}

function took({ beganAt, endedAt }: PastJob): string {
  if (beganAt === undefined || endedAt === undefined) return "-";
  return jobDuration((endedAt.getTime() - beganAt.getTime()) / 1000);
}
