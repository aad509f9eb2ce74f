import { ConfigError } from "../error.ts";
import { quoted } from "../format/quoted.ts";

/**
 * Quotes text for a line `Key=text` of a unit: `%` begins a specifier of systemd, and is doubled.
 *
 * What no quoting can carry is refused: a line separator ends the line, a backslash at its end joins it with the
 * next one, and space around it is lost. Only `Description=` takes any other text; for a key whose value becomes
 * part of a command or of a list, the value must be checked first.
 *
 * @throws {ConfigError} for text that cannot stand in a unit
 */
export function unitValue(text: string): string {
  const fault = unitFault(text);
  if (fault !== undefined) {
    throw new ConfigError(`Cannot put ${quoted(text)} into a systemd unit: ${fault}`, {
      hint: "Change the value in site.yaml",
    });
  }
  return text.replaceAll("%", "%%");
}

function unitFault(text: string): string | undefined {
  // deno-lint-ignore no-control-regex
  if (/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(text)) return "it has a control character";
  if (!text.isWellFormed()) return "it is not valid Unicode";
  if (text.endsWith("\\")) return "it ends with a backslash";
  if (text !== text.trim()) return "it starts or ends with a space";
  return undefined;
}

/**
 * Checks a folder of the host that is mounted into a container.
 *
 * @throws {ConfigError} for one that is not absolute, or has a character that `Volume=` gives a meaning
 */
export function mountFolder(path: string): string {
  const parts = path.split("/").slice(1);
  const plain = parts.length > 0 && parts.every((part) => /^[\p{L}\p{N}._@%+=~-]+$/u.test(part)) &&
    !parts.some((part) => part === "." || part === "..");
  if (path.startsWith("/") && plain) return path;
  throw new ConfigError(`Cannot mount the folder ${quoted(path)} into a container`, {
    hint: "Use an absolute path of letters, digits and . _ @ % + = ~ - only",
  });
}

/**
 * Checks the name of a time zone, as tzdata has it: `Europe/Berlin`.
 *
 * @throws {ConfigError} for anything else
 */
export function timeZoneName(name: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9_+-]*(\/[A-Za-z0-9][A-Za-z0-9_+-]*)*$/.test(name)) return name;
  throw new ConfigError(`Cannot use ${quoted(name)} as time zone`, {
    hint: "Use a name that timedatectl list-timezones shows, as Europe/Berlin",
  });
}
