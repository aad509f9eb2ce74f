import { closest } from "../config/closest.ts";
import { readConfigText } from "../config/config_text.ts";
import { type Assignment, parseKeyValue } from "../config/key_value.ts";
import { configError, inFileOrder } from "../config/problem.ts";
import { webhook } from "../config/setting_type.ts";
import type { ConfigProblem } from "../error.ts";
import type { Files } from "../sys/files.ts";
import {
  isSecretKey,
  type SecretKey,
  secretKeys,
  type Secrets,
  secretTable,
} from "./secret_key.ts";

/** Name of the file in the repository; git ignores it. */
export const secretsFile = "secrets.conf";

/** A `secrets.conf` as it was found. No problem repeats a value. */
export interface SecretsText {
  /** Empty when there is no file. */
  readonly text: string;
  readonly exists: boolean;
  readonly assignments: readonly Assignment[];
  readonly secrets: Secrets;
  /** Of the file and of its lines; keys that are missing are not among them. */
  readonly problems: readonly ConfigProblem[];
  /** Keys without which the site cannot run. */
  readonly missing: readonly SecretKey[];
}

/**
 * Reads a `secrets.conf`, and lists all that is wrong with it.
 *
 * @throws {VmbError} `config.unreadable` (exit 5) when we may not read it
 */
export async function readSecrets(
  files: Pick<Files, "inspectTarget" | "read">,
  path: string,
): Promise<SecretsText> {
  const found = await readConfigText(files, path);
  const text = found.kind === "text" ? found.text : "";
  const parsed = parseKeyValue(text, path);
  const secrets = new Map<SecretKey, string>();
  const problems: ConfigProblem[] = [...parsed.problems];
  for (const assignment of parsed.assignments) {
    const { key, value, line, keyColumn, valueColumn } = assignment;
    if (!isSecretKey(key)) {
      const near = closest(key, secretKeys);
      problems.push({
        source: path,
        line,
        column: keyColumn,
        message: `Unknown key ${key}`,
        hint: near === undefined ? `Known keys: ${secretKeys.join(", ")}` : `Did you mean ${near}?`,
      });
      continue;
    }
    const fault = valueFault(key, value);
    if (fault === undefined) {
      if (value !== "") secrets.set(key, value);
    } else problems.push({ source: path, line, column: valueColumn, ...fault });
  }
  const named = parsed.assignments.map(({ key }) => key);
  return {
    text,
    exists: found.kind !== "absent",
    assignments: parsed.assignments,
    secrets,
    problems: [
      ...(found.kind === "problem" ? [found.problem] : []),
      ...(found.kind === "text" ? modeProblems(path, found.mode) : []),
      ...inFileOrder(problems),
    ],
    missing: secretKeys.filter((key) =>
      secretTable[key].kind === "password" && !named.includes(key)
    ),
  };
}

/**
 * Loads the secrets of a site.
 *
 * @throws {ConfigError} with all problems together: a file that others can read, a key that is missing
 */
export async function loadSecrets(
  files: Pick<Files, "inspectTarget" | "read">,
  path: string,
): Promise<Secrets> {
  const found = await readSecrets(files, path);
  const problems = secretsProblems(found, path);
  if (problems.length > 0) throw configError(problems);
  return found.secrets;
}

/** All that is wrong, keys that are missing included. */
export function secretsProblems(found: SecretsText, path: string): readonly ConfigProblem[] {
  const hint = "Run: vmb ctl secrets init";
  if (!found.exists) return [{ source: path, message: "No such file", hint }];
  return [
    ...found.problems,
    ...found.missing.map((key) => ({ source: path, message: `Missing key ${key}`, hint })),
  ];
}

function valueFault(
  key: SecretKey,
  value: string,
): { readonly message: string; readonly hint?: string } | undefined {
  if (secretTable[key].kind === "webhook") {
    const parsed = webhook.parse(value);
    if ("value" in parsed) return undefined;
    return {
      message: `Cannot use the value of ${key}: ${parsed.reason}`,
      ...(parsed.hint !== undefined && { hint: parsed.hint }),
    };
  }
  if (/^[A-Za-z0-9]{16,60}$/.test(value)) return undefined;
  return {
    message: `Cannot use the value of ${key}: expected 16 to 60 letters and digits`,
    hint: `Make a new one with: vmb ctl secrets rotate ${key}`,
  };
}

function modeProblems(path: string, mode: number): readonly ConfigProblem[] {
  if ((mode & 0o077) === 0) return [];
  return [{
    source: path,
    message: `Cannot use a file that others may open (mode ${
      mode.toString(8).padStart(4, "0")
    }): expected 0600`,
    hint: `Run: chmod 600 ${path}; and if others may have read it: vmb ctl secrets rotate --all`,
  }];
}
