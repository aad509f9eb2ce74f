import type { LiveRun } from "../../core/journal/live_runs.ts";
import { newCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { table } from "../output/table.ts";

export function runsCommand(context: CommandContext) {
  return newCommand("runs", {
    summary: "List the backups, restores and test restores that run on this hypervisor now",
    examples: ["vmb hv runs", "vmb hv runs --json"],
  })
    .option("--json", "print them as JSON")
    .action(async ({ json }) => {
      const { settings } = await context.configuration();
      const { liveRuns } = await import("../../core/journal/live_runs.ts");
      const runs = await liveRuns(context.system.files, settings.stateDir);
      context.result(json, { runs }, () => runs.length === 0 ? "nothing runs\n" : showRuns(runs));
    });
}

function showRuns(runs: readonly LiveRun[]): string {
  return table([
    ["KIND", "VM", "JOB", "PID", "SINCE"],
    ...runs.map((
      { kind, vm, jobId, pid, since },
    ) => [kind, vm, String(jobId ?? "-"), String(pid), since]),
  ]);
}
