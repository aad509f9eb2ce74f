import { VmbError } from "../error.ts";

/** How far a job is, or how it ended. */
export type JobResult = "active" | "ok" | "warnings" | "failed" | "canceled";

/** Letters of jobs that have ended (src/jcr.h); every other letter is of one that waits or runs. */
const ended: Readonly<Record<string, Exclude<JobResult, "active">>> = {
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
export function jobResult(status: string, errors: number): JobResult {
  const result = ended[status] ?? "active";
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
