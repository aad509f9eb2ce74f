import type { SiteStatus } from "../../core/bacula/site_status.ts";
import { formatDuration } from "../../core/format/duration.ts";
import { newCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { table } from "../output/table.ts";
import { consoleOf, consoleOption, inventoryOf, repositoryOption } from "./console_options.ts";
import { localTime } from "./job_time.ts";

export function statusCommand(context: CommandContext) {
  return newCommand("status", {
    summary: "Show what waits and runs, and how old the last good backup of each VM is",
    examples: ["vmb ctl status", "vmb ctl status --json"],
  })
    .addOption(repositoryOption())
    .addOption(consoleOption())
    .option("--json", "print it as JSON")
    .action(async (options) => {
      const inventory = await inventoryOf(context, options);
      const { siteStatus } = await import("../../core/bacula/site_status.ts");
      const status = await siteStatus(
        consoleOf(context, options),
        inventory,
        context.system.clock,
      );
      context.result(options.json, status, () => show(status, inventory.site.timeZone));
    });
}

function show({ active, vms }: SiteStatus, timeZone: string): string {
  const jobs = active.length === 0 ? "no job waits or runs\n" : table([
    ["JOB", "VM", "LEVEL", "SINCE", "STATE"],
    ...active.map(({ id, vm, job, level, queuedAt, state }) => [
      ...[String(id), vm ?? job, level ?? "-", localTime(queuedAt, timeZone), state],
    ]),
  ]);
  const backups = vms.length === 0 ? "no VM is listed\n" : table([
    ["VM", "HYPERVISOR", "SCHEDULE", "LAST RESULT", "JOB", "LAST GOOD BACKUP"],
    ...vms.map(({ vm, hypervisor, schedule, last, ageSeconds }) => [
      ...[vm, hypervisor, schedule, last?.result ?? "-", String(last?.id ?? "-")],
      ageSeconds === null ? "NEVER" : `${formatDuration(ageSeconds * 1000)} ago`,
    ]),
  ]);
  return `${jobs}\n${backups}`;
}
