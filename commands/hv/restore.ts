import { Option } from "@commander-js/extra-typings";
import { assertPassed } from "../../core/checks/check.ts";
import { exitCodes, VmbError } from "../../core/error.ts";
import { formatBytes } from "../../core/format/bytes.ts";
import { formatDuration } from "../../core/format/duration.ts";
import { quoted } from "../../core/format/quoted.ts";
import { parseNetwork } from "../../core/restore/request.ts";
import type { RestorePlan } from "../../core/restore/plan.ts";
import type { ExaminedPlan, RestoreOutcome } from "../../core/restore/run.ts";
import type { Terminal } from "../../core/sys/terminal.ts";
import { newCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { absoluteFolder } from "../folder_argument.ts";
import { vmArgument } from "./vm_argument.ts";

export function restoreCommand(context: CommandContext) {
  return newCommand("restore", {
    summary: "Restore a VM from a backup, on any hypervisor that sees the share",
    examples: [
      "vmb hv restore prod-db-01 --dry-run",
      "vmb hv restore prod-db-01 --start",
      "vmb hv restore prod-db-01 2026-11-21-120000 --name db-copy --network isolated",
      "vmb hv restore prod-db-01 --instant",
      "vmb hv restore prod-db-01 --replace --confirm prod-db-01",
    ],
    exits: {
      6: "something is in the way, or the backup is not what was written; nothing was changed",
      10: "no such VM or backup",
      11: "a backup of this VM runs",
      130: "stopped by SIGINT (143: SIGTERM, 129: SIGHUP); everything was undone",
    },
  })
    .argument("<vm>", "name of the VM that was backed up", vmArgument)
    .argument("[id]", "id of the backup, or latest", "latest")
    .option("--name <name>", "restore it as a clone: own UUID, MACs, nvram and TPM", vmArgument)
    .addOption(
      new Option("--replace", "take the place of the VM that is there, and shut off").conflicts(
        "name",
      ),
    )
    .option("--confirm <name>", "name of the VM that --replace means, instead of typing it")
    .option("--image-dir <folder>", "where the disks go (default: IMAGE_DIR)", absoluteFolder)
    .addOption(
      new Option("--format <format>", "format of the disks").choices(
        ["keep", "qcow2", "raw"] as const,
      ).default("keep" as const),
    )
    .option(
      "--network <word>",
      "keep, none, link-down, isolated, or the name of a libvirt network",
      "keep",
    )
    .option("--start", "start it when it is restored")
    .addOption(
      new Option(
        "--instant",
        "start it at once from the backup, and fill its local disks while it runs",
      ).conflicts("format"),
    )
    .option(
      "--trust-definition",
      "let it use what it names of this hypervisor: devices, files, programs, sockets",
    )
    .addOption(
      new Option(
        "--keep-other-disks",
        "a clone shares the disks that the backup left out with the original",
      ).conflicts("replace"),
    )
    .option("--dry-run", "show the plan and what changes in the XML, change nothing")
    .option("--json", "print the result as JSON")
    .action(async (vm, id, options) => {
      const configuration = await context.configuration();
      const { examineRestore, restoreVm } = await import("../../core/restore/run.ts");
      const { system, report, signal, terminal } = context;
      const request = {
        ...{ vm, id, name: options.name, imageDir: options.imageDir, format: options.format },
        replace: options.replace ?? false,
        network: parseNetwork(options.network),
        start: options.start ?? false,
        instant: options.instant ?? false,
        trustDefinition: options.trustDefinition ?? false,
        keepOtherDisks: options.keepOtherDisks ?? false,
      };
      const deps = {
        ...{ system, configuration, report, signal },
        confirm: (name: string) => confirm(terminal, name, options.confirm),
        onBegin: () => context.shield(),
      };
      if (options.dryRun) {
        const examined = await examineRestore(request, deps);
        const diff = await xmlDiff(examined.plan);
        context.result(options.json, { ...examined, diff }, () => showPlan(examined, diff));
        assertPassed(`Checks before the restore of "${examined.plan.name}"`, examined.checks);
        return;
      }
      const outcome = await restoreVm(request, deps);
      context.result(options.json, outcome, () => showOutcome(outcome));
    });
}

/** @throws {VmbError} `usage.confirm` when nobody says that this VM is meant */
function confirm(terminal: Terminal, name: string, given: string | undefined): Promise<void> {
  const said = given ??
    terminal.ask(`The disks of "${name}" are set aside, and restored ones take their place.
Type its name to go on: `);
  if (said === name) return Promise.resolve();
  return Promise.reject(
    new VmbError(
      said === undefined
        ? `Replacement of "${name}" was not confirmed`
        : `Replacement of "${name}" was not confirmed: "${said}" is another name`,
      {
        code: "usage.confirm",
        exit: exitCodes.usage,
        hint: `Give its name: --replace --confirm '${name}'`,
      },
    ),
  );
}

async function xmlDiff({ originalXml, xml }: RestorePlan): Promise<string> {
  const { createTwoFilesPatch } = await import("diff");
  const lines = createTwoFilesPatch("backup", "restored", originalXml, xml, "", "", {
    context: 1,
  }).split("\n");
  // The first two lines only underline the file names.
  return withoutSecrets(lines.slice(lines[0]?.startsWith("===") ? 1 : 0).join("\n"));
}

/** What is printed may end in a ticket. */
function withoutSecrets(text: string): string {
  return text.replace(/(passwd=)(?:'[^']*'|"[^"]*")/g, "$1'...'");
}

function showPlan({ plan }: ExaminedPlan, diff: string): string {
  const how = {
    recreate: "would be restored",
    clone: `would be restored as "${plan.name}", a VM of its own`,
    replace: `would take the place of "${plan.replaces?.name}"`,
  }[plan.mode];
  const network = plan.network.kind === "network" ? plan.network.name : plan.network.kind;
  return [
    `${plan.vm} of ${plan.instant} ${how}`,
    `  from     ${plan.folder}`,
    `  UUID     ${plan.uuid}`,
    ...plan.setAside.map(({ from, to }) => `  aside    ${from} -> ${to}`),
    ...plan.disks.map(({ disk, path, format, bytes }) =>
      `  disk     ${disk}: ${path} (${format}, ${formatBytes(bytes)})`
    ),
    ...(plan.nvram ? [`  nvram    ${plan.nvram}`] : []),
    ...(plan.tpm ? [`  tpm      ${plan.tpm}`] : []),
    ...plan.hostTies.map((tie) => `  uses     ${quoted(tie)}`),
    ...plan.leftOut.map((each) => `  without  ${quoted(each)}`),
    `  network  ${network}`,
    `  then     ${afterwards(plan)}`,
    "",
    diff,
  ].join("\n");
}

function afterwards({ autostart, fillsLater, start }: RestorePlan): string {
  return [
    ...(autostart ? ["autostart"] : []),
    ...(fillsLater ? ["started from the backup, disks filled while it runs"] : []),
    ...(start && !fillsLater ? ["started"] : []),
    ...(start ? [] : ["left shut off"]),
  ].join(", ");
}

function showOutcome(outcome: RestoreOutcome): string {
  const { name, vm, id, disks, kept, started, bytes, seconds, uuid } = outcome;
  return [
    `${name}: restored from ${vm} ${id} in ${formatDuration(seconds * 1000)}, ${
      formatBytes(bytes)
    } compared with their checksums`,
    ...disks.map(({ target, path }) => `  ${target}  ${path}`),
    ...kept.map((path) => `  kept  ${path}`),
    started ? "  it is started" : `  start it with: virsh start ${uuid}`,
    "",
  ].join("\n");
}
