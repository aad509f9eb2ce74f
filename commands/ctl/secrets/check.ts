import { problemLine } from "../../../core/config/problem.ts";
import { exitCodes, VmbError } from "../../../core/error.ts";
import { newCommand } from "../../command.ts";
import type { CommandContext } from "../../context.ts";
import { repositoryFolder } from "../repository_folder.ts";

export function secretsCheckCommand(context: CommandContext) {
  return newCommand("check", {
    summary: "Say what is wrong with secrets.conf; no value is shown",
    examples: ["vmb ctl secrets check"],
    exits: { 6: "there are problems; each is named" },
  })
    .argument("[dir]", "folder of the repository", ".")
    .option("--json", "print the result as JSON")
    .action(async (dir, { json }) => {
      const { readSecrets, secretsFile, secretsProblems } = await import(
        "../../../core/secrets/secrets_file.ts"
      );
      const path = `${await repositoryFolder(context.system, dir)}/${secretsFile}`;
      const problems = secretsProblems(await readSecrets(context.system.files, path), path);
      context.result(
        json,
        { path, problems },
        () =>
          problems.length === 0
            ? `${path}: no problems\n`
            : problems.map((problem) =>
              `${problemLine(problem)}\n${
                problem.hint === undefined ? "" : `  hint: ${problem.hint}\n`
              }`
            ).join(""),
      );
      if (problems.length === 0) return;
      throw new VmbError(
        `Problems of "${path}": ${problems.length}`,
        { code: "secrets.problems", exit: exitCodes.problems },
      );
    });
}
