import { VmbError } from "../error.ts";

/**
 * Splits what bconsole printed into the answers to the commands of its input. It repeats each command on a
 * line of its own, after a tab at most, before the answer; only when the Director asks back, and takes a command
 * for the reply, does that line begin with the question.
 *
 * @throws {VmbError} `bacula.answer` when a command was not taken as one
 */
export function splitAnswers(stdout: string, commands: readonly string[]): readonly string[] {
  const lines = stdout.split("\n");
  const answers: string[] = [];
  let at = 0;
  let start: number | undefined;
  for (const command of [...commands, "quit"]) {
    // `.sql` ends each row with a tab, which stands before whatever comes next.
    const found = lines.findIndex((line, index) =>
      index >= at && (line === command || line === `\t${command}`)
    );
    if (found === -1) {
      const shown = lines.slice(start ?? 0).map((line) => line.trim()).filter(Boolean).slice(-3);
      throw new VmbError(`Bacula's console was not understood: ${shown.join(" | ")}`, {
        code: "bacula.answer",
      });
    }
    if (start !== undefined) answers.push(answer(lines.slice(start, found)));
    start = at = found + 1;
  }
  return answers;
}

/** What the Director says whatever it is asked; the last two stand after what a query printed. */
const chatter = /^(Automatically selected Catalog: .*|Using Catalog ".*")$|\t?You have messages\.$/;

function answer(lines: readonly string[]): string {
  return lines.map((line) => line.replace(chatter, "")).join("\n").trim();
}
