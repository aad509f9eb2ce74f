import { Option } from "@commander-js/extra-typings";
import { ConfigError } from "../../core/error.ts";
import type { Answers } from "../../core/install/plan.ts";
import { newCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { absoluteFolder } from "../folder_argument.ts";
import { askAboutFiles } from "../output/changed_files.ts";
import { showInstalled, showInstallPlan } from "../output/install_plan.ts";

export function installCommand(context: CommandContext) {
  return newCommand("install", {
    summary: "Install this program with its units and links, or bring them up to date",
    examples: [
      "vmb hv install --dry-run",
      "vmb hv install --timers verify,test-restore",
      "vmb hv install --uninstall",
    ],
    exits: {
      2: "the command line is wrong; or files were changed on this machine, and nobody was asked",
      11: "another installation runs; or a backup does, and --uninstall was given",
    },
  })
    .option("--timers <list>", "verify, test-restore, both, or none (default: as they are)")
    .addOption(
      new Option("--yes", "replace files that were changed on this machine, and set them aside")
        .conflicts("keepAll"),
    )
    .option("--keep-all", "leave files that were changed on this machine")
    .option("--root <folder>", "install below this folder, for an image", absoluteFolder, "")
    .addOption(
      new Option("--from <folder>", "with the files that vmb ctl push put there")
        .argParser(absoluteFolder).conflicts("uninstall"),
    )
    .option("--uninstall", "remove what was installed; configuration, logs and backups stay")
    .option("--dry-run", "show what would be changed, change nothing")
    .option("--json", "print the result as JSON")
    .action(async (options) => {
      const { system, report, terminal } = context;
      const { from, json } = options;
      const root = options.root === "/" ? "" : options.root;
      const [install, { planUninstall }, { parseTimers }, { readAnswers }, { describePlan }] =
        await Promise.all([
          import("../../core/install/install.ts"),
          import("../../core/install/uninstall.ts"),
          import("../../core/install/timers.ts"),
          import("../../core/install/answers.ts"),
          import("../../core/install/describe.ts"),
        ]);
      const timers = options.timers === undefined ? undefined : parseTimers(options.timers);
      const stateFolder = await stateFolderOf(context, root);
      const planWith = (answers: Answers) =>
        options.uninstall
          ? planUninstall(system, { root, answers, stateFolder })
          : install.planInstall(system, { root, from, timers, answers });
      const given = await readAnswers(system.files, from);
      let plan = await planWith(options.yes ? "replace all" : options.keepAll ? "keep all" : given);
      if (options.dryRun) {
        const planned = plan;
        context.result(
          json,
          { ...describePlan(planned), setAside: null },
          () => showInstallPlan(planned),
        );
        return;
      }
      const questions = install.openQuestions(plan);
      const answers = askAboutFiles(terminal, questions);
      if (questions.length > 0 && answers !== undefined) {
        plan = await planWith(new Map([...given, ...answers]));
      }
      install.assertAnswered(plan);
      const { applyInstall } = await import("../../core/install/apply.ts");
      context.shield();
      const setAside = await applyInstall({ system, plan, report });
      const done = plan;
      context.result(
        json,
        { ...describePlan(done), setAside: setAside ?? null },
        () => showInstalled(done, setAside),
      );
    });
}

/** A configuration that cannot be read must not keep anybody from uninstalling. */
async function stateFolderOf(context: CommandContext, root: string): Promise<string> {
  const { defaultStateFolder } = await import("../../core/install/places.ts");
  if (root !== "") return defaultStateFolder(root);
  try {
    return (await context.configuration()).settings.stateDir;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return defaultStateFolder(root);
  }
}
