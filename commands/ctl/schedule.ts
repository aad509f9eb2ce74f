import type { Forecast } from "../../core/bacula/forecast.ts";
import { exitCodes, VmbError } from "../../core/error.ts";
import { formatDuration } from "../../core/format/duration.ts";
import { newCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { table } from "../output/table.ts";
import { positiveNumber } from "../positive_number.ts";
import { warnOfClockChange } from "./clock_warning.ts";
import { consoleOf, consoleOption, inventoryOf, repositoryOption } from "./console_options.ts";
import { jobDuration, localTime } from "./job_time.ts";

/** Older jobs say little of how long the next ones take. */
const historyDays = 400;

export function scheduleCommand(context: CommandContext) {
  return newCommand("schedule", {
    summary: "Show what will run when, how long it will take, and whether the time suffices",
    examples: ["vmb ctl schedule", "vmb ctl schedule --days 60 --json"],
    exits: {
      0: "the time suffices",
      6: "a cycle will not have backed up all of its VMs within max_run_hours",
    },
  })
    .option("--days <n>", "how far to look ahead", positiveNumber, 14)
    .addOption(repositoryOption())
    .addOption(consoleOption())
    .option("--json", "print it as JSON")
    .action(async (options) => {
      const inventory = await inventoryOf(context, options);
      warnOfClockChange(context, inventory.site);
      const { forecast } = await import("../../core/bacula/forecast.ts");
      const { jobHistory } = await import("../../core/bacula/job_history.ts");
      const { scheduledJobs } = await import("../../core/bacula/scheduled_jobs.ts");
      const { timeZone } = inventory.site;
      const bconsole = consoleOf(context, options);
      const history = await jobHistory(bconsole, { days: historyDays, timeZone });
      const scheduled = await scheduledJobs(bconsole, options.days, {
        site: inventory.site,
        now: context.system.clock.now(),
      });
      const cycles = forecast(scheduled, history, inventory);
      context.result(
        options.json,
        { cycles },
        () =>
          cycles.length === 0
            ? `nothing is scheduled for the next ${options.days} days\n`
            : cycles.map((cycle) => show(cycle, timeZone)).join("\n"),
      );
      const late = cycles.find(({ suffices }) => !suffices);
      if (late === undefined) return;
      throw new VmbError(
        `The time does not suffice for the cycle of ${localTime(late.at, timeZone)}`,
        {
          code: "schedule.too-long",
          exit: exitCodes.problems,
          hint: "Give VMs another schedule, or raise concurrency or max_run_hours in site.yaml",
        },
      );
    });
}

function show(cycle: Forecast, timeZone: string): string {
  const { at, jobs, vmsEndAt, limit, suffices, withoutHistory } = cycle;
  const rows = jobs.map(({ vm, job, level, priority, client, beginsAt, expectedSeconds }) => [
    ...[localTime(beginsAt, timeZone), vm ?? job, level ?? "-", String(priority), client || "-"],
    expectedSeconds === null ? "?" : jobDuration(expectedSeconds),
  ]);
  const unknown = withoutHistory.length === 0
    ? ""
    : ` (not counting ${withoutHistory.join(", ")}: never backed up)`;
  const verdict = vmsEndAt === null
    ? ""
    : `  VMs take ${jobDuration((vmsEndAt.getTime() - at.getTime()) / 1000)} of ${
      formatDuration(limit.getTime() - at.getTime())
    }, until ${localTime(vmsEndAt, timeZone)}: ${
      suffices ? "the time suffices" : "THE TIME DOES NOT SUFFICE"
    }${unknown}\n`;
  const heading = ["BEGINS ABOUT", "VM OR JOB", "LEVEL", "PRIORITY", "CLIENT", "TAKES"];
  return `${localTime(at, timeZone)}\n${indented(table([heading, ...rows]))}${verdict}`;
}

function indented(text: string): string {
  return text.replace(/^(?=.)/gm, "  ");
}
