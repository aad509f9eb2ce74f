/** What a full or an incremental backup reads; `auto` lets vmb decide from what the share has. */
export type Level = "full" | "incremental" | "differential" | "auto";

export const levels = [
  "full",
  "incremental",
  "differential",
  "auto",
] as const satisfies readonly Level[];

/** Reads a level as a person or Bacula (`%l`) writes it; `undefined` for any other word. */
export function parseLevel(word: string): Level | undefined {
  return levels.find((level) => level === word.toLowerCase());
}
