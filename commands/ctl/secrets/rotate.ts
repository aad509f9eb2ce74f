import { closest } from "../../../core/config/closest.ts";
import { exitCodes, VmbError } from "../../../core/error.ts";
import { quoted } from "../../../core/format/quoted.ts";
import {
  isSecretKey,
  passwordKeys,
  type SecretKey,
  secretKeys,
} from "../../../core/secrets/secret_key.ts";
import { newCommand } from "../../command.ts";
import type { CommandContext } from "../../context.ts";
import { table } from "../../output/table.ts";
import { repositoryFolder } from "../repository_folder.ts";

export function secretsRotateCommand(context: CommandContext) {
  return newCommand("rotate", {
    summary: "Give passwords new values; says what must restart because of it",
    examples: ["vmb ctl secrets rotate DB_PASSWORD", "vmb ctl secrets rotate --all"],
  })
    .argument("[keys...]", "keys of secrets.conf")
    .option("--all", "all passwords")
    .option("--dir <folder>", "folder of the repository", ".")
    .option("--json", "print the result as JSON")
    .action(async (words, { all, dir, json }) => {
      const keys = chosenKeys(words, all ?? false);
      const { rotateSecrets } = await import("../../../core/secrets/change_secrets.ts");
      const { secretsFile } = await import("../../../core/secrets/secrets_file.ts");
      const { servicesOf } = await import("../../../core/podman/services_of.ts");
      const path = `${await repositoryFolder(context.system, dir)}/${secretsFile}`;
      await rotateSecrets(context.system.files, path, keys);
      const rotated = keys.map((key) => ({ key, ...servicesOf(key) }));
      context.result(json, { path, rotated }, () =>
        table([
          ["KEY", "RESTARTS WITH THE NEXT DEPLOY", "HYPERVISORS"],
          ...rotated.map(({ key, services, hypervisors }) => [
            key,
            services.join(", ") || "-",
            hypervisors ? "vmb ctl push" : "-",
          ]),
        ]) + "Next: vmb ctl deploy; and keep a copy of secrets.conf in your password manager\n");
    });
}

function chosenKeys(words: readonly string[], all: boolean): readonly SecretKey[] {
  if (all !== (words.length === 0)) {
    throw new VmbError(
      all ? "Cannot rotate some keys and all of them" : "No key to rotate was named",
      {
        code: "usage.keys",
        exit: exitCodes.usage,
        hint: `Name keys, or give --all: ${passwordKeys.join(", ")}`,
      },
    );
  }
  if (all) return passwordKeys;
  return [...new Set(words)].map((word) => {
    if (isSecretKey(word)) return word;
    const near = closest(word, secretKeys);
    throw new VmbError(`Unknown key ${quoted(word)}`, {
      code: "usage.keys",
      exit: exitCodes.usage,
      hint: near === undefined ? `Known keys: ${secretKeys.join(", ")}` : `Did you mean ${near}?`,
    });
  });
}
