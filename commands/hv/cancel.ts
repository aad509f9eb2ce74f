import { newCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { positiveNumber } from "../positive_number.ts";
import { vmArgument } from "./vm_argument.ts";

export function cancelCommand(context: CommandContext) {
  return newCommand("cancel", {
    summary: "Stop the backup that a job of Bacula runs here; it undoes what it began",
    examples: ["vmb hv cancel prod-db-01 --job-id 4711"],
    exits: {
      0: "it has ended",
      1: "it was told to stop, and has not ended in time",
      10: "no backup of this VM for this job runs here",
    },
  })
    .argument("<vm>", "name of the VM", vmArgument)
    .requiredOption("--job-id <n>", "Bacula's job id", positiveNumber)
    .option("--timeout <seconds>", "how long to wait for its end", positiveNumber, 300)
    .option("--json", "print the result as JSON")
    .action(async (vm, { jobId, timeout, json }) => {
      const { settings } = await context.configuration();
      const { stopRun } = await import("../../core/run/stop_run.ts");
      const stopped = await stopRun({
        system: context.system,
        stateFolder: settings.stateDir,
        vm,
        jobId,
        signal: context.signal,
        patienceMs: timeout * 1000,
      });
      context.result(json, { stopped }, () => `${vm}: the backup of job ${jobId} was stopped\n`);
    });
}
