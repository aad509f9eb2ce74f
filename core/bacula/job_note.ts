/**
 * What the messages of a job that did not end well say of it: `made` when vmb had made the backup, and only Bacula
 * could not store what describes it; `duplicate` when it was never begun, for another job of its name ran.
 */
export type JobNote = "made" | "duplicate" | "";

/** Words of Bacula's and of vmb's messages; in none is a name. */
const words = {
  duplicate: "Duplicate job not allowed",
  made: ": backed up to /",
  script: "ClientBeforeJob: ",
  failed: "ClientBeforeJob returned non-zero",
} as const;

/** The note of a job `J` of the catalog, as an expression of SQL. */
export const jobNoteSql = `coalesce(CASE WHEN J.JobStatus IN ('A', 'f', 'E', 'I') THEN ` +
  `CASE WHEN ${message(`%${words.duplicate}%`)} THEN 'duplicate' ` +
  `WHEN ${message(`%${words.script}%${words.made}%`)} ` +
  `AND NOT ${message(`%${words.failed}%`)} THEN 'made' END END, '')`;

function message(pattern: string): string {
  return `EXISTS (SELECT 1 FROM Log L WHERE L.JobId = J.JobId AND L.LogText LIKE '${pattern}')`;
}

/** Reads the note of a job from its messages. */
export function jobNote(messages: readonly string[]): JobNote {
  const says = (...parts: readonly string[]) =>
    messages.some((text) => parts.every((part) => text.includes(part)));
  if (says(words.duplicate)) return "duplicate";
  return says(words.script, words.made) && !says(words.failed) ? "made" : "";
}
