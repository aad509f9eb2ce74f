import { VmbError } from "../error.ts";
import type { Argv } from "../sys/process.ts";

/**
 * Writes a program and its arguments as the one string that ssh hands to the shell of the other side. Each
 * word arrives as it is, whatever it holds and whatever shell that is: this is the only place where words become a
 * shell's text.
 *
 * csh and tcsh take no line break within quotes, and look for `!` in them; so words that have one go as octal
 * numbers, which `sh` there makes words of.
 *
 * @throws {VmbError} `ssh.word` for a NUL character, which no argument can hold
 */
export function remoteCommand(argv: Argv): string {
  const command = argv.map((word) => {
    if (word.includes("\0")) {
      throw new VmbError("Cannot run a command with a NUL character in it", { code: "ssh.word" });
    }
    return `'${word.replaceAll("'", `'\\''`)}'`;
  }).join(" ");
  return /[\n!]/.test(command) ? `sh -c '${decoder}' '${octal(command)}'` : command;
}

/** The script is its own `$0`. printf(1) reads `\0` and three octal digits as a byte. */
const decoder = 'eval "`printf %b "$0"`"';

function octal(text: string): string {
  return [...new TextEncoder().encode(text)].map((byte) => {
    const char = String.fromCharCode(byte);
    return /[A-Za-z0-9 _./:=@%+,-]/.test(char) ? char : `\\0${byte.toString(8).padStart(3, "0")}`;
  }).join("");
}
