import { InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { exitCodes, VmbError } from "../../core/error.ts";
import { escaped } from "../../core/format/escaped.ts";
import { formatDuration } from "../../core/format/duration.ts";
import type { ProofNetwork } from "../../core/proof/proof.ts";
import type { ProofOutcome } from "../../core/proof/run.ts";
import type { StoredBackup } from "../../core/repository/backups.ts";
import { newCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { vmArgument } from "./vm_argument.ts";

export function testRestoreCommand(context: CommandContext) {
  return newCommand("test-restore", {
    summary: "Boot a throw-away copy of a backup, and find out whether it lives",
    examples: [
      "vmb hv test-restore prod-db-01",
      "vmb hv test-restore prod-db-01 2026-11-21-120000 --isolated-net",
      "vmb hv test-restore --random    (for a monthly timer)",
    ],
    exits: {
      0: "pass",
      3: "inconclusive: neither shown nor refuted that it lives",
      6: "fail: the copy does not live, or the backup is damaged",
      10: "no such VM or backup",
      130: "stopped by SIGINT (143: SIGTERM, 129: SIGHUP); everything was undone",
    },
  })
    .argument("[vm]", "name of the VM", vmArgument)
    .argument("[id]", "id of the backup, or latest", "latest")
    .addOption(
      new Option("--isolated-net", "all interfaces on a network that leads nowhere, with DHCP")
        .conflicts("network"),
    )
    .option("--no-network", "without any interface (default: each with its cable pulled)")
    .option("--full-copy", "copy the disks first, and compare all of them with the backup")
    .option("--timeout <seconds>", "how long it may take to boot", secondsArgument, 300)
    .option("--keep", "leave the copy running; vmb hv recover --kept removes it")
    .addOption(
      new Option("--random", "the VM whose last test restore is the longest ago")
        .conflicts("all"),
    )
    .option("--all", "the last backup of each VM of vm-list.yaml, one after the other")
    .option("--json", "print the result as JSON")
    .action(async (vm, id, options) => {
      const since = context.system.clock.monotonic();
      const many = options.random === true || options.all === true;
      if ((vm === undefined) !== many) {
        throw new VmbError("Give one VM, or --random, or --all", {
          code: "usage.arguments",
          exit: exitCodes.usage,
        });
      }
      const network: ProofNetwork = options.isolatedNet
        ? "isolated"
        : options.network
        ? "link-down"
        : "none";
      const configuration = await context.configuration();
      const { settings } = configuration;
      const { system, signal, report, version } = context;
      const [
        { proveBackup, verdictError },
        { findBackup, isUnusable },
        { leaveFileDaemon },
        { shareFreeBytes, shareMount },
        { shareFiles },
      ] = await Promise.all([
        import("../../core/proof/run.ts"),
        import("../../core/repository/backups.ts"),
        import("../../core/run/own_scope.ts"),
        import("../../core/repository/share.ts"),
        import("../../core/sys/share_files.ts"),
      ]);
      const shareTimeoutMs = settings.shareTimeoutSeconds * 1000;
      context.shield();
      await leaveFileDaemon(system, "Test restore", report);
      await shareMount(system, settings, report);
      await shareFreeBytes(system, settings);
      const share = shareFiles(system.files, settings.backupRoot, shareTimeoutMs);
      const backups: StoredBackup[] = [];
      if (many) {
        const { candidates } = await import("../../core/proof/choose_vm.ts");
        const found = await candidates(share, settings.backupRoot, configuration.vms);
        backups.push(...found.slice(0, options.random ? 1 : undefined).map(({ backup }) => backup));
      } else {
        backups.push(await findBackup(share, settings.backupRoot, vm ?? "", id));
      }
      const outcomes: ProofOutcome[] = [];
      const unusable: VmbError[] = [];
      // One VM whose last backup cannot be used must not keep the others from their proof.
      const noteUnusable = (error: unknown) => {
        if (!isUnusable(error)) throw error;
        unusable.push(error);
        report({ kind: "error", text: error.message, hint: error.hint });
        return undefined;
      };
      for (const backup of backups) {
        const proving = proveBackup(
          {
            network,
            keep: options.keep === true,
            timeoutMs: options.timeout * 1000,
            fullCopy: options.fullCopy === true,
          },
          backup,
          {
            ...{ system, configuration, report, signal, vmbVersion: version },
            since: outcomes.length === 0 ? since : system.clock.monotonic(),
          },
        );
        const outcome = await (many ? proving.catch(noteUnusable) : proving);
        if (outcome === undefined) continue;
        outcomes.push(outcome);
        if (!options.json) context.result(false, outcome, () => showProof(outcome));
      }
      if (options.json) {
        context.result(true, many ? { proofs: outcomes } : outcomes[0], () => "");
      }
      // The worst verdict decides.
      const errors = outcomes.map(({ proof }) => verdictError(proof)).filter((error) => error);
      const worst = errors.find((error) => error?.exit === exitCodes.problems) ??
        unusable[0] ?? errors[0];
      if (worst) throw worst;
    });
}

function secondsArgument(text: string): number {
  const seconds = Number(text);
  if (!Number.isFinite(seconds) || seconds < 1 || seconds > 86_400) {
    throw new InvalidArgumentError("A number of seconds from 1 to 86400 is wanted.");
  }
  return seconds;
}

function showProof({ proof, folder, kept }: ProofOutcome): string {
  const { vm, backup, verdict, reason, recoverySeconds, bootSeconds } = proof;
  const booted = recoverySeconds === null || bootSeconds === null ? [] : [
    `  alive ${formatDuration(recoverySeconds * 1000)} after the command, ${
      formatDuration(bootSeconds * 1000)
    } after its start`,
  ];
  return [
    `${vm} ${backup.id}: ${verdict.toUpperCase()}, ${escaped(reason)}`,
    ...booted,
    ...(folder === undefined ? [] : [`  evidence in ${folder}`]),
    ...(kept === undefined ? [] : [
      `  kept as ${kept.name}; look at it with virsh console or virt-viewer --attach`,
      "  remove it with: vmb hv recover --kept",
    ]),
    "",
  ].join("\n");
}
