import { exitCodes, VmbError } from "../error.ts";
import { quoted } from "../format/quoted.ts";

/**
 * Writes a command of Bacula's console (lib/parse_conf.c splits it at spaces). Everything that comes from
 * outside goes through here: a line break would begin another command, and a console knows no way to write a
 * quote inside quotes.
 *
 * @param words of the command; a pair is `key=value`
 * @throws {VmbError} `bacula.word` (exit 2) for a word that cannot be said
 */
export function consoleLine(
  ...words: readonly (string | readonly [key: string, value: string])[]
): string {
  return words.map((word) => typeof word === "string" ? word : `${word[0]}=${say(word[1])}`)
    .join(" ");
}

function say(text: string): string {
  // deno-lint-ignore no-control-regex
  if (/["\\\u0000-\u001f\u007f]/.test(text) || !text.isWellFormed()) {
    throw new VmbError(`Cannot say ${quoted(text)} to Bacula's console`, {
      code: "bacula.word",
      exit: exitCodes.usage,
    });
  }
  return /^[\w.:-]+$/.test(text) ? text : `"${text}"`;
}
