import type { Answer, PlannedChange } from "../../core/install/plan.ts";
import type { Terminal } from "../../core/sys/terminal.ts";

/** A file about which somebody has to be asked. */
export type Question = Pick<PlannedChange, "path" | "from" | "change" | "diff">;

/**
 * Shows how each file would change, and asks what becomes of it: nothing happens to one by accident, for
 * keeping it is the default.
 *
 * @param where the machine, where that is not this one
 * @returns `undefined` when nobody is there to be asked
 */
export function askAboutFiles(
  terminal: Pick<Terminal, "ask" | "err">,
  questions: readonly Question[],
  where?: string,
): ReadonlyMap<string, Answer> | undefined {
  const answers = new Map<string, Answer>();
  for (const { path, from, change, diff } of questions) {
    const act = change === "remove" ? "remove" : "replace";
    const heading = `\n${where === undefined ? "" : `${where}: `}${path} was changed there, ` +
      `or is somebody else's. It would be ${act}d:\n${diff}`;
    let shown = "";
    for (let answer: Answer["answer"] | undefined; answer === undefined;) {
      const question = `${shown === heading ? "" : heading}\nkeep it (k), ${act} it (r), ` +
        "or show the difference again (s)? [k] ";
      shown = heading;
      const said = terminal.ask(question);
      if (said === undefined) return undefined;
      const word = said.toLowerCase();
      if ("keep".startsWith(word)) answer = "keep";
      else if (act.startsWith(word)) answer = "replace";
      else if ("show".startsWith(word)) shown = "";
      if (answer !== undefined) answers.set(path, { answer, from });
    }
  }
  return answers;
}
