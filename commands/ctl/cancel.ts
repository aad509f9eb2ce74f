import { InvalidArgumentError } from "@commander-js/extra-typings";
import type { Cancellation } from "../../core/bacula/cancel_job.ts";
import { newCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { vmArgument } from "../hv/vm_argument.ts";
import {
  consoleOf,
  consoleOption,
  inventoryOf,
  repositoryOption,
  sshOption,
} from "./console_options.ts";

export function cancelCommand(context: CommandContext) {
  return newCommand("cancel", {
    summary: "Cancel a job in Bacula, and stop what it runs on the hypervisor",
    examples: ["vmb ctl cancel 4711", "vmb ctl cancel prod-db-01"],
    exits: {
      0: "the job is canceled, and nothing of it runs",
      1: "the hypervisor was not reached, or its run has not ended",
      10: "no such job, or the VM has none",
    },
  })
    .argument("<job>", "number of a job, or name of a VM", jobOrVm)
    .addOption(repositoryOption())
    .addOption(consoleOption())
    .addOption(sshOption())
    .option("--json", "print the result as JSON")
    .action(async (target, options) => {
      const { system, signal } = context;
      const inventory = await inventoryOf(context, options);
      const { cancelJob, jobToCancel } = await import("../../core/bacula/cancel_job.ts");
      const { inventoryVm } = await import("../../core/config/inventory_vm.ts");
      const { openRemote } = await import("../../core/ssh/remote.ts");
      // The Director tries to tell the File Daemon for 3 minutes before it answers.
      const bconsole = consoleOf(context, { ...options, timeoutMs: 240_000 });
      const id = typeof target === "number"
        ? target
        : await jobToCancel(bconsole, inventory, inventoryVm(inventory, target).name);
      const access = { processes: system.processes, sshConfig: options.sshConfig, signal };
      const cancellation = await cancelJob(bconsole, id, inventory, {
        remote: (hypervisor) => openRemote(hypervisor, access),
        clock: system.clock,
        signal,
      });
      context.result(options.json, cancellation, () => show(cancellation));
    });
}

/** A VM whose name is a number is given as Bacula's jobs give names: behind a slash. */
function jobOrVm(text: string): number | string {
  if (!/^\d+$/.test(text)) return vmArgument(text);
  const id = Number(text);
  if (!Number.isSafeInteger(id) || id < 1) {
    throw new InvalidArgumentError("The number of a job is wanted.");
  }
  return id;
}

function show({ jobId, job, vm, hypervisor, canceled, stopped }: Cancellation): string {
  const inBacula = canceled ? "canceled" : "had ended in Bacula";
  const there = hypervisor === undefined
    ? ""
    : stopped
    ? `; its run on ${hypervisor} was stopped`
    : `; nothing of it runs on ${hypervisor}`;
  return `${vm ?? job}: job ${jobId} ${inBacula}${there}\n`;
}
