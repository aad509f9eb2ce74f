import type { CommandContext } from "../context.ts";
import { cancelCommand } from "./cancel.ts";
import { jobsCommand } from "./jobs.ts";
import { logCommand } from "./log.ts";
import { restoreCommand } from "./restore.ts";
import { runCommand } from "./run.ts";
import { scheduleCommand } from "./schedule.ts";
import { statusCommand } from "./status.ts";

/** What administrators do every day; `lab-backup` has these alone. */
export function everydayCommands(context: CommandContext): readonly unknown[] {
  return [
    runCommand(context),
    statusCommand(context),
    jobsCommand(context),
    logCommand(context),
    cancelCommand(context),
    scheduleCommand(context),
    restoreCommand(context),
  ];
}
