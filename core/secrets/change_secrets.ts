import { configError } from "../config/problem.ts";
import { exitCodes, VmbError } from "../error.ts";
import type { Files } from "../sys/files.ts";
import { generatePassword } from "./generate.ts";
import { passwordKeys, type SecretKey, secretKeys, secretTable } from "./secret_key.ts";
import { readSecrets, type SecretsText } from "./secrets_file.ts";

type FileDoors = Pick<Files, "inspectTarget" | "read" | "realPath" | "write">;

/**
 * Makes `secrets.conf`, or adds the keys that it lacks; what is there stays as it is.
 *
 * @returns the keys that were given a new value
 * @throws {ConfigError} when the file that is there has problems
 */
export async function initSecrets(
  files: FileDoors,
  path: string,
): Promise<readonly SecretKey[]> {
  return await changing(files, path, [], async (found, place) => {
    const { assignments, text, missing } = found;
    const named = assignments.map(({ key }) => key);
    const absent = secretKeys.filter((key) => !named.includes(key));
    if (absent.length === 0) return [];
    const lines = absent.flatMap((key) => {
      const { description, kind } = secretTable[key];
      return [`# ${description}`, `${key}=${kind === "password" ? generatePassword() : ""}`, ""];
    });
    const before = found.exists ? `${text}${text === "" || text.endsWith("\n") ? "" : "\n"}` : head;
    await files.write(place, `${before}${lines.join("\n")}`, { mode: 0o600 });
    return missing;
  });
}

const head =
  `# Secrets of this site. Never in git: keep a copy in your password manager, for without it a new control VM
# gets new secrets, and all hypervisors must be told.
# Make new ones with: vmb ctl secrets rotate KEY

`;

/**
 * Gives new values to keys of `secrets.conf`; everything else in the file stays as it is.
 *
 * @throws {ConfigError} when the file has problems other than with the values of these keys
 * @throws {VmbError} `usage.secret` (exit 2) for a key that does not come from here
 */
export async function rotateSecrets(
  files: FileDoors,
  path: string,
  keys: readonly SecretKey[],
): Promise<void> {
  const foreign = keys.find((key) => !passwordKeys.includes(key));
  if (foreign !== undefined) {
    throw new VmbError(`Cannot make a new value for ${foreign}: it comes from Slack`, {
      code: "usage.secret",
      exit: exitCodes.usage,
      hint: `Put the new webhook into ${path}`,
    });
  }
  await changing(files, path, keys, async ({ assignments, text, exists }, place) => {
    const lines = text.split("\n");
    for (const key of keys) {
      const line = `${key}=${generatePassword()}`;
      const number = assignments.find((each) => each.key === key)?.line;
      if (number !== undefined) {
        lines[number - 1] = line + (lines[number - 1]?.endsWith("\r") ? "\r" : "");
      } else {
        if (lines.at(-1) === "") lines.pop();
        lines.push(line, "");
      }
    }
    const before = exists ? "" : head;
    await files.write(place, before + lines.join("\n"), { mode: 0o600 });
  });
}

async function changing<Result>(
  files: FileDoors,
  path: string,
  replaced: readonly SecretKey[],
  change: (found: SecretsText, place: string) => Promise<Result>,
): Promise<Result> {
  const found = await readSecrets(files, path);
  const lines = found.assignments.filter(({ key }) => replaced.some((each) => each === key))
    .map(({ line }) => line);
  const problems = found.problems.filter(({ line }) => line === undefined || !lines.includes(line));
  if (problems.length > 0) throw configError(problems);
  // The file may be a link to a safer place, which shall stay one.
  return await change(found, found.exists ? await files.realPath(path) : path);
}
