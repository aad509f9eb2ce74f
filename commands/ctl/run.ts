import { Option } from "@commander-js/extra-typings";
import type { Job } from "../../core/bacula/job.ts";
import { madeBackup } from "../../core/bacula/job_state.ts";
import { exitCodes, VmbError } from "../../core/error.ts";
import { newCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { vmArgument } from "../hv/vm_argument.ts";
import { consoleOf, consoleOption, inventoryOf, repositoryOption } from "./console_options.ts";

export function runCommand(context: CommandContext) {
  return newCommand("run", {
    summary: "Queue the backup of a VM in Bacula, out of its turn",
    examples: [
      "vmb ctl run prod-db-01",
      "vmb ctl run prod-db-01 --level incremental --wait",
    ],
    exits: {
      0: "queued; with --wait: the job ended well",
      1: "failed; with --wait: the job failed or was canceled",
      3: "with --wait: the job ended with warnings, or the VM is backed up but Bacula did not record it",
      10: "no such VM, or the Director has no job for it yet",
      11: "a job of this VM waits or runs",
    },
  })
    .argument("<vm>", "name of the VM", vmArgument)
    .addOption(
      new Option("--level <level>", "level of the backup (default: full)").choices(
        ["full", "incremental", "differential"] as const,
      ),
    )
    .option("--wait", "wait until the job has ended, and show its messages")
    .addOption(repositoryOption())
    .addOption(consoleOption())
    .option("--json", "print the result as JSON")
    .action(async (name, options) => {
      const { clock } = context.system;
      const { report, signal } = context;
      const inventory = await inventoryOf(context, options);
      const { inventoryVm } = await import("../../core/config/inventory_vm.ts");
      const { queueJob, waitForJob } = await import("../../core/bacula/run_job.ts");
      const vm = inventoryVm(inventory, name);
      const bconsole = consoleOf(context, options);
      const id = await queueJob(bconsole, vm.name, baculaLevel(options.level));
      if (!options.wait) {
        context.result(
          options.json,
          { jobId: id, vm: vm.name },
          () => `${vm.name}: job ${id} is queued; its messages: vmb ctl log ${id}\n`,
        );
        return;
      }
      report({ kind: "info", text: `Job ${id} is queued; when this ends, it goes on` });
      const job = await waitForJob(bconsole, id, { clock, report, signal });
      context.result(options.json, { jobId: id, vm: vm.name, job }, () => ended(vm.name, job));
      assertEndedWell(vm.name, job);
    });
}

function baculaLevel(level: "full" | "incremental" | "differential" | undefined) {
  switch (level) {
    case "full":
      return "Full";
    case "incremental":
      return "Incremental";
    case "differential":
      return "Differential";
    case undefined:
      return undefined;
  }
}

const words = {
  active: "goes on",
  ok: "ended well",
  warnings: "ended with warnings",
  unrecorded: "made the backup, but Bacula could not record it",
  superseded: "did not begin, for another job of the VM runs",
  failed: "failed",
  canceled: "was canceled",
} as const;

function ended(vm: string, { id, result }: Job): string {
  return `${vm}: job ${id} ${words[result]}\n`;
}

function assertEndedWell(vm: string, { id, result }: Job): void {
  if (result === "ok") return;
  throw new VmbError(`Job ${id} of VM "${vm}" ${words[result]}`, {
    code: `job.${result}`,
    exit: madeBackup(result) ? exitCodes.partial : exitCodes.failed,
    hint: `Its messages: vmb ctl log ${id}`,
  });
}
