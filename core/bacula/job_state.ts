import { VmbError } from "../error.ts";
import type { JobNote } from "./job_note.ts";

/**
 * How far a job is, or how it ended. `unrecorded`: the VM is backed up, but Bacula did not store what describes the
 * backup. `superseded`: another job of that VM ran, so this one never began.
 */
export type JobResult =
  | "active"
  | "ok"
  | "warnings"
  | "unrecorded"
  | "superseded"
  | "failed"
  | "canceled";

/** Whether there is a backup of a job's own. */
export function madeBackup(result: JobResult): boolean {
  return result === "ok" || result === "warnings" || result === "unrecorded";
}

/** Letters of jobs that have ended (src/jcr.h); every other letter is of one that waits or runs. */
const ended: Readonly<Record<string, "ok" | "warnings" | "failed" | "canceled">> = {
  T: "ok",
  W: "warnings",
  D: "warnings",
  e: "warnings",
  E: "failed",
  f: "failed",
  I: "failed",
  A: "canceled",
};

/**
 * Reads the state that the catalog has of a job. Bacula calls a job with errors that did not stop it a success
 * as well.
 */
export function jobResult(status: string, errors: number, note: JobNote = ""): JobResult {
  const result = ended[status] ?? "active";
  if (result === "failed" || result === "canceled") {
    return note === "made" ? "unrecorded" : note === "duplicate" ? "superseded" : result;
  }
  return result === "ok" && errors > 0 ? "warnings" : result;
}

const levels: Readonly<Record<string, string>> = {
  F: "full",
  I: "incremental",
  D: "differential",
};

/** Reads the level that the catalog has of a job; jobs of other types have none. */
export function jobLevel(letter: string): string | undefined {
  return levels[letter];
}

/** Reads a count as the Director writes it: `1,795,322,107`. */
export function parseCount(text: string | undefined): number {
  const count = Number(text?.replaceAll(",", "") || Number.NaN);
  if (Number.isSafeInteger(count)) return count;
  throw new VmbError(`Bacula's console was not understood: no number where one was expected`, {
    code: "bacula.answer",
  });
}

/** Reads a time of the catalog, which is that of the Director's clock, without a zone. */
export function parseLocalTime(text: string, timeZone: string): Date | undefined {
  if (!/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/.test(text)) return undefined;
  const local = Temporal.PlainDateTime.from(text.replace(" ", "T").slice(0, 19));
  return new Date(local.toZonedDateTime(timeZone).epochMilliseconds);
}
