import { Option } from "@commander-js/extra-typings";
import { type ExitCode, exitCodes, toVmbError, VmbError } from "../../core/error.ts";
import { showArgv } from "../../core/sys/process.ts";
import { newCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { vmArgument } from "../hv/vm_argument.ts";
import { inventoryOf, repositoryOption, sshOption } from "./console_options.ts";

export function restoreCommand(context: CommandContext) {
  return newCommand("restore", {
    summary: "Show the command that restores a VM; with --on, run it on that hypervisor",
    examples: [
      "vmb ctl restore prod-db-01",
      "vmb ctl restore prod-db-01 --on hv2 --dry-run",
      "vmb ctl restore prod-db-01 2026-11-21-120000 --on hv2 --name db-copy --network isolated",
    ],
    exits: {
      0: "shown; with --on: done",
      1: "the hypervisor was not reached; any other status is that of vmb hv restore there",
      10: "no such hypervisor, VM or backup",
      130:
        "with --on: stopped by SIGINT (143: SIGTERM, 129: SIGHUP), there too; everything was undone",
    },
  })
    .argument("<vm>", "name of the VM that was backed up", vmArgument)
    .argument("[id]", "id of the backup, or latest", "latest")
    .option("--on <hypervisor>", "run it there, over ssh")
    .option("--name <name>", "restore it as a clone: own UUID, MACs, nvram and TPM", vmArgument)
    .addOption(
      new Option("--replace", "take the place of the VM that is there, and shut off").conflicts(
        "name",
      ),
    )
    .option("--confirm <name>", "name of the VM that --replace means")
    .option("--image-dir <folder>", "where the disks go")
    .addOption(
      new Option("--format <format>", "format of the disks").choices(
        ["keep", "qcow2", "raw"] as const,
      ),
    )
    .option("--network <word>", "keep, none, link-down, isolated, or a libvirt network")
    .option("--start", "start it when it is restored")
    .option(
      "--trust-definition",
      "let it use what it names of that hypervisor: devices, files, programs, sockets",
    )
    .option("--keep-other-disks", "a clone shares the disks that the backup left out")
    .option("--dry-run", "show the plan of the restore, change nothing")
    .addOption(repositoryOption())
    .addOption(sshOption())
    .option("--json", "print the result as JSON")
    .action(async (vm, id, options) => {
      const { system, signal, terminal } = context;
      const inventory = await inventoryOf(context, options);
      const { sitePlaces } = await import("../../core/bacula/places.ts");
      const { inventoryHypervisor } = await import("../../core/config/inventory_vm.ts");
      const { openRemote } = await import("../../core/ssh/remote.ts");
      const { restoreArgv } = await import("../../core/deploy/remote_restore.ts");
      const { vmb } = sitePlaces(inventory.site).hypervisor;
      if (options.on === undefined) {
        const { json: _, ...wishes } = options;
        const command = restoreArgv("vmb", vm, id, wishes);
        // A VM that is no longer listed can be restored all the same.
        const home = inventory.vms.find(({ name }) => name === vm)?.hypervisor ?? null;
        context.result(
          options.json,
          { vm, hypervisor: home, command },
          () => showCommand(showArgv(command), home),
        );
        return;
      }
      const hypervisor = inventoryHypervisor(inventory, options.on);
      const remote = openRemote(hypervisor, {
        processes: {
          run: (argv, given) =>
            system.processes.run(argv, { ...given, onStderr: (text) => terminal.err(text) }),
        },
        sshConfig: options.sshConfig,
        signal,
      });
      context.shield(`asking ${hypervisor.name} to stop the restore, and to undo what it began`);
      const { code, stdout } = await remote.run(restoreArgv(vmb, vm, id, options), {
        timeoutMs: 24 * 3_600_000,
        stopWithinMs: patienceMs,
      }).catch((error) => {
        throw error.code === "process.not-stopped" ? notEnded(vm, hypervisor.name, signal) : error;
      });
      if (code === 0) {
        context.result(options.json, options.json ? JSON.parse(stdout) : undefined, () => stdout);
        return;
      }
      // It ended as it was asked to; the status here is of the signal that we got.
      if (code === exitCodes.terminated) signal.throwIfAborted();
      throw new VmbError(`Restore of "${vm}" on ${hypervisor.name} ended with status ${code}`, {
        code: "restore.failed-there",
        exit: code as ExitCode,
        hint: "What it said is above",
      });
    });
}

/** How long a restore may take to undo what it began, in milliseconds. */
const patienceMs = 300_000;

function notEnded(vm: string, hypervisor: string, { reason }: AbortSignal): VmbError {
  return new VmbError(
    `Restore of "${vm}" on ${hypervisor} was told to stop, and has not ended within ${
      patienceMs / 1000
    } s`,
    {
      code: "restore.not-ended",
      exit: toVmbError(reason).exit,
      hint: `Look there at its log, in LOG_DIR/${vm}, and then run: vmb hv recover`,
    },
  );
}

function showCommand(command: string, home: string | null): string {
  const where = home === null
    ? "On a hypervisor that sees the share"
    : `On ${home}, or another hypervisor that sees the share`;
  return `${where}, run:\n  ${command}\n` +
    `or from here, with --on ${home ?? "<hypervisor>"}; --dry-run first shows what would be done\n`;
}
