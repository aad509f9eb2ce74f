import { Option } from "@commander-js/extra-typings";
import type { PushOutcome } from "../../core/deploy/push.ts";
import type { PushSource } from "../../core/deploy/hypervisor_files.ts";
import { exitCodes, VmbError } from "../../core/error.ts";
import { counted } from "../../core/format/counted.ts";
import { newCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { askAboutFiles } from "../output/changed_files.ts";
import { table } from "../output/table.ts";
import { repositoryArgument } from "./repository_argument.ts";

export function pushCommand(context: CommandContext) {
  return newCommand("push", {
    summary: "Install this program and its configuration on the hypervisors, over ssh",
    examples: ["vmb ctl push --dry-run", "vmb ctl push", "vmb ctl push hv3 --yes"],
    exits: {
      1: "a hypervisor was not reached, or could not be brought up to date; the others were",
      2: "the command line is wrong; or files were changed on a hypervisor, and nobody was asked",
      10: "no such hypervisor in site.yaml",
    },
  })
    .argument("[host...]", "names of hypervisors (default: all)")
    .option("--repository <dir>", "folder of the repository", repositoryArgument, ".")
    .option("--timers <list>", "verify, test-restore, both, or none (default: as they are)")
    .addOption(
      new Option("--yes", "replace files that were changed on a hypervisor, and set them aside")
        .conflicts("keepAll"),
    )
    .option("--keep-all", "leave files that were changed on a hypervisor")
    .option("--ssh-config <file>", "configuration of ssh to use instead of the user's own")
    .option("--dry-run", "show what would be changed, change nothing")
    .option("--json", "print the result as JSON")
    .action(async (names, options) => {
      const { system, report, signal, terminal } = context;
      const [push, { hypervisorFiles }, { loadPushSource }, { parseTimers }, { readProgram }] =
        await Promise.all([
          import("../../core/deploy/push.ts"),
          import("../../core/deploy/hypervisor_files.ts"),
          import("../../core/deploy/load_push_source.ts"),
          import("../../core/install/timers.ts"),
          import("../../core/install/program.ts"),
        ]);
      if (options.timers !== undefined) parseTimers(options.timers);
      const source = await loadPushSource(system.files, options.repository);
      const program = await readProgram(system);
      const chosen = chooseHypervisors(source, names);
      context.shield();
      const outcomes = await push.push({
        ...{ system, program, report, signal, sshConfig: options.sshConfig },
        targets: chosen.map((hypervisor) => ({
          hypervisor,
          files: hypervisorFiles(source, hypervisor),
        })),
        flags: {
          timers: options.timers,
          changed: options.yes ? "replace" : options.keepAll ? "keep" : "ask",
        },
        dryRun: options.dryRun ?? false,
        ask: (host, questions) => askAboutFiles(terminal, questions, host),
      });
      context.result(
        options.json,
        { hypervisors: outcomes.map(describe) },
        () => (options.dryRun ? showDifferences(outcomes) : "") + showOutcomes(outcomes),
      );
      push.assertPushed(outcomes);
    });
}

function chooseHypervisors({ site }: PushSource, names: readonly string[]) {
  const unknown = names.find((name) => !site.hypervisors.some((each) => each.name === name));
  if (unknown !== undefined) {
    throw new VmbError(`No hypervisor "${unknown}" in site.yaml`, {
      code: "push.unknown-host",
      exit: exitCodes.notFound,
      hint: `It has: ${site.hypervisors.map(({ name }) => name).join(", ")}`,
    });
  }
  return site.hypervisors.filter(({ name }) => names.length === 0 || names.includes(name));
}

function describe({ error, ...outcome }: PushOutcome) {
  const { code = "", message = "", hint = null } = error ?? {};
  return { ...outcome, error: error === undefined ? null : { code, message, hint } };
}

function showOutcomes(outcomes: readonly PushOutcome[]): string {
  const rows = outcomes.map((outcome) => {
    const kept = outcome.changes.filter(({ declined }) => declined).map(({ path }) => path);
    const detail = outcome.error?.message ?? (kept.length > 0 ? `kept ${kept.join(", ")}` : "");
    return [outcome.host, words(outcome), detail] as const;
  });
  const isDetailed = rows.some(([, , detail]) => detail !== "");
  return table([["HYPERVISOR", "RESULT", ...isDetailed ? ["DETAIL"] : []], ...rows]);
}

function words({ result, changes, commands }: PushOutcome): string {
  const count = changes.filter(({ change }) => change !== "keep").length;
  const what = count > 0 ? counted(count, "change") : counted(commands.length, "command");
  switch (result) {
    case "failed":
      return "FAILED";
    case "unchanged":
      return "no changes";
    case "planned":
      return `would be: ${what}`;
    case "changed":
      return what;
  }
}

function showDifferences(outcomes: readonly PushOutcome[]): string {
  const lines = outcomes.flatMap(({ host, changes, commands }) => [
    ...changes.filter(({ change }) => change !== "keep").flatMap((
      { change, path, question, diff },
    ) => [
      `${host}: would ${question ? "ask whether to " : ""}${change} ${path}`,
      ...(diff === "" ? [] : [diff.trimEnd()]),
    ]),
    ...commands.map((command) => `${host}: would run ${command}`),
  ]);
  return lines.length === 0 ? "" : `${lines.join("\n")}\n\n`;
}
