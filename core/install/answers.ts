import { VmbError } from "../error.ts";
import type { Files } from "../sys/files.ts";
import type { Answer } from "./plan.ts";

/** Name of the file with the answers that somebody gave on the control VM. */
export const answersFile = "answers.json";

export function writeAnswers(answers: ReadonlyMap<string, Answer>): string {
  return `${JSON.stringify(Object.fromEntries(answers), null, 2)}\n`;
}

/** Reads the answers that came with pushed files; none when there are none. */
export async function readAnswers(
  files: Files,
  folder: string | undefined,
): Promise<ReadonlyMap<string, Answer>> {
  const path = `${folder}/${answersFile}`;
  if (folder === undefined || await files.inspect(path) === undefined) return new Map();
  let value: unknown;
  try {
    value = JSON.parse(await files.readText(path));
  } catch (error) {
    throw new VmbError(`Cannot read the answers in "${path}"`, {
      code: "install.answers",
      cause: error,
    });
  }
  return new Map(Object.entries(value as Record<string, Answer>));
}
