import { Option } from "@commander-js/extra-typings";
import type { Job } from "../../core/bacula/job.ts";
import { madeBackup } from "../../core/bacula/job_state.ts";
import type { Inventory } from "../../core/config/inventory.ts";
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
      "vmb ctl run --missed   # those that the cycle passed over; the timer does it every hour",
    ],
    exits: {
      0: "queued; with --wait: the job ended well",
      1: "failed; with --wait: the job failed or was canceled",
      3: "with --wait: the job ended with warnings, or the VM is backed up but Bacula did not record it",
      6: "with --missed: some cannot begin yet; each is named, with the reason",
      10: "no such VM, or the Director has no job for it yet",
      11: "a job of this VM waits or runs",
    },
  })
    .argument("[vm]", "name of the VM", vmArgument)
    .option("--missed", "queue all VMs whose turn has come and for which nothing began")
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
      if ((name === undefined) !== (options.missed === true)) {
        throw new VmbError("Cannot tell what to run: expected the name of a VM, or --missed", {
          code: "usage.vm",
          exit: exitCodes.usage,
        });
      }
      const inventory = await inventoryOf(context, options);
      if (name === undefined) return await runMissed(context, inventory, options);
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

async function runMissed(
  context: CommandContext,
  inventory: Inventory,
  options: { readonly consoleConfig?: string | undefined; readonly json?: true | undefined },
): Promise<void> {
  const { catchUp } = await import("../../core/bacula/missed.ts");
  const { queued, left } = await catchUp(
    // It may have to wait for daemons that are away.
    consoleOf(context, { ...options, timeoutMs: 240_000 }),
    inventory,
    context.system.clock,
  );
  context.result(options.json, { queued, left }, () =>
    [
      ...queued.map(({ vm, jobId }) => `${vm}: job ${jobId} is queued`),
      ...left.map(({ vm, because }) => `${vm}: left, for ${because}`),
      ...(queued.length + left.length === 0 ? ["no VM was passed over"] : []),
      "",
    ].join("\n"));
  if (left.length === 0) return;
  throw new VmbError(`${left.length} VMs that the cycle passed over cannot begin yet`, {
    code: "job.missed",
    exit: exitCodes.problems,
    hint: "Run: vmb ctl check; the timer tries again every hour",
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
