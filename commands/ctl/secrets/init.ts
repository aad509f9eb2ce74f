import { newCommand } from "../../command.ts";
import type { CommandContext } from "../../context.ts";
import { repositoryFolder } from "../repository_folder.ts";

export function secretsInitCommand(context: CommandContext) {
  return newCommand("init", {
    summary: "Make secrets.conf, or add the passwords that it lacks; none is shown",
    examples: ["vmb ctl secrets init"],
  })
    .argument("[dir]", "folder of the repository", ".")
    .option("--json", "print the result as JSON")
    .action(async (dir, { json }) => {
      const { initSecrets } = await import("../../../core/secrets/change_secrets.ts");
      const { secretsFile } = await import("../../../core/secrets/secrets_file.ts");
      const { files } = context.system;
      const path = `${await repositoryFolder(context.system, dir)}/${secretsFile}`;
      const made = await initSecrets(files, path);
      context.result(
        json,
        { path, made },
        () =>
          made.length === 0
            ? `${path}: has all passwords, nothing was changed\n`
            : `${path}: made ${made.join(", ")}\nKeep a copy of it in your password manager\n`,
      );
    });
}
