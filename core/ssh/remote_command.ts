import { VmbError } from "../error.ts";
import type { Argv } from "../sys/process.ts";

/**
 * Writes a program and its arguments as the one string that ssh hands to the shell of the other side. Each
 * word arrives as it is, whatever it holds: this is the only place where words become a shell's text.
 *
 * @throws {VmbError} `ssh.word` for a NUL character, which no argument can hold
 */
export function remoteCommand(argv: Argv): string {
  return argv.map((word) => {
    if (word.includes("\0")) {
      throw new VmbError("Cannot run a command with a NUL character in it", { code: "ssh.word" });
    }
    return `'${word.replaceAll("'", `'\\''`)}'`;
  }).join(" ");
}
