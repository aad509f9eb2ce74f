import { InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { type Method, methods } from "../../core/survey/method.ts";
import { levels, parseLevel } from "../../core/backup/level.ts";
import type { BackupOutcome } from "../../core/backup/run.ts";
import type { BackupPlan } from "../../core/backup/plan.ts";
import { exitCodes, VmbError } from "../../core/error.ts";
import { formatBytes } from "../../core/format/bytes.ts";
import { formatDuration } from "../../core/format/duration.ts";
import { newCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { positiveNumber } from "../positive_number.ts";
import { vmArgument } from "./vm_argument.ts";

export function backupCommand(context: CommandContext) {
  return newCommand("backup", {
    summary: "Back up one VM to the share while it runs",
    examples: [
      "vmb hv backup prod-db-01",
      "vmb hv backup prod-db-01 --method quiesce --bwlimit 200M",
      "vmb hv backup asav-1 --level %l --job-id %i    (from a Bacula RunScript)",
    ],
    exits: {
      3: "done with warnings, and --strict was given",
      6: "a check failed; nothing was changed, or the checks after the backup found a problem",
      10: "no such VM",
      11: "another backup runs, and did not end while --lock-wait lasted",
      130: "stopped by SIGINT (143: SIGTERM, 129: SIGHUP); everything was undone",
    },
  })
    .argument("<vm>", "name of the VM", vmArgument)
    .addOption(
      new Option("--method <method>", "how to capture it (default: from vm-list.yaml)").choices(
        methods,
      ),
    )
    .addOption(
      new Option("--level <level>", `${levels.join(", ")}, or Bacula's %l`).argParser(levelArgument)
        .default({ level: "auto" as const, word: "auto" }, "auto"),
    )
    .option("--job-id <n>", "Bacula's job id (%i), recorded with the backup", positiveNumber)
    .option(
      "--lock-wait <minutes>",
      "how long to wait for another backup to end (default: not at all)",
      positiveNumber,
    )
    .option("--no-verify", "do not read back what was written")
    .option("--bwlimit <rate>", "bytes per second to read at most: 200M, 1.5G")
    .option("--disks-at-once <n>", "disks to copy side by side", countArgument, 2)
    .option("--dry-run", "run the checks, show what would be done")
    .option("--strict", "warnings give exit status 3")
    .option("--json", "print the result as JSON")
    .action(async (vm, options) => {
      const configuration = await context.configuration(
        options.bwlimit === undefined
          ? {}
          : { BANDWIDTH_LIMIT: { flag: "--bwlimit", text: options.bwlimit } },
      );
      const [{ backupVm, planBackup }, { leaveFileDaemon }] = await Promise.all([
        import("../../core/backup/run.ts"),
        import("../../core/run/own_scope.ts"),
      ]);
      const request = {
        vm,
        method: options.method as Method | undefined,
        level: options.level.level,
        levelWord: options.level.word,
        baculaJobId: options.jobId,
        lockWaitMs: (options.lockWait ?? 0) * 60_000,
        readBack: options.verify,
        parallelDisks: options.disksAtOnce,
      };
      const { system, report, signal, version } = context;
      const deps = { system, configuration, report, signal, vmbVersion: version };
      if (options.dryRun) {
        const plan = await planBackup(request, deps);
        context.result(options.json, { plan }, () => showPlan(plan));
        return;
      }
      context.shield();
      await leaveFileDaemon(system, `Backup of ${vm}`, report);
      const outcome = await backupVm(request, deps);
      context.result(options.json, outcome, () => showOutcome(outcome));
      if (options.strict && outcome.warnings.length > 0) {
        throw new VmbError(`Backup of "${vm}" is done, with ${outcome.warnings.length} warnings`, {
          code: "backup.warnings",
          exit: exitCodes.partial,
          hint: outcome.warnings[0],
        });
      }
    });
}

function levelArgument(word: string) {
  const level = parseLevel(word);
  if (level === undefined) {
    throw new InvalidArgumentError(`Allowed are ${levels.join(", ")}, in Bacula's spelling too.`);
  }
  return { level, word };
}

function countArgument(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > 16) {
    throw new InvalidArgumentError("A number from 1 to 16 is wanted.");
  }
  return count;
}

function showPlan(plan: BackupPlan): string {
  return [
    `${plan.vm} on ${plan.hypervisor} would be backed up, ${plan.level}, by method ${plan.method}`,
    `  to      ${plan.folder}`,
    ...plan.disks.map(({ target, source, bytes }) =>
      `  disk    ${target}: ${source} (up to ${formatBytes(bytes)})`
    ),
    ...plan.skipped.map(({ target, reason }) => `  without ${target}: ${reason}`),
    ...plan.commands.map((argv) => `  runs    ${argv.join(" ")}`),
    "",
  ].join("\n");
}

function showOutcome({ folder, manifest, warnings }: BackupOutcome): string {
  const total = Object.values(manifest.seconds).reduce((sum, seconds) => sum + seconds, 0);
  const spent = Object.entries(manifest.seconds)
    .filter(([, seconds]) => seconds >= 0.001)
    .map(([phase, seconds]) => `${phase} ${formatDuration(seconds * 1000)}`);
  const frozen = manifest.frozenMs === null
    ? ""
    : `, frozen for ${Math.round(manifest.frozenMs)} ms`;
  return [
    `${manifest.vm.name}: backed up to ${folder}`,
    `  ${manifest.method}, ${manifest.consistency}-consistent${frozen}`,
    `  ${formatBytes(manifest.bytesRead)} read, ${formatBytes(manifest.bytesWritten)} written in ${
      formatDuration(total * 1000)
    }: ${spent.join(", ")}`,
    ...(warnings.length > 0 ? [`  ${warnings.length} warnings, see above`] : []),
    "",
  ].join("\n");
}
