import { newCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";

export function initCommand(context: CommandContext) {
  return newCommand("init", {
    summary: "Make the repository of a control VM; files that are there stay as they are",
    examples: ["vmb ctl init backup-site", "vmb ctl init"],
  })
    .argument("[dir]", "folder to make it in", ".")
    .option("--json", "print the result as JSON")
    .action(async (dir, { json }) => {
      const { system } = context;
      const { initRepository } = await import("../../core/deploy/init_repository.ts");
      await system.files.makeFolder(dir);
      const folder = await system.files.realPath(dir);
      const outcome = await initRepository(system, folder);
      context.result(json, { folder, ...outcome }, () =>
        [
          `${folder}`,
          ...outcome.files.map(({ path, made }) => `  ${made ? "made" : "kept"}  ${path}`),
          `  ${gitWords[outcome.git]}`,
          "Next: edit site.yaml and vm-list.yaml; then: vmb ctl secrets init && vmb ctl certs",
          "",
        ].join("\n"));
    });
}

const gitWords = {
  made: "made  a git repository",
  present: "kept  the git repository",
  absent: "no git repository: git is not installed",
} as const;
