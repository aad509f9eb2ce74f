import { VmbError } from "../error.ts";
import type { Bconsole } from "./bconsole.ts";
import type { Job } from "./job.ts";
import { jobLevel, jobResult, parseCount, parseLocalTime } from "./job_state.ts";

/** A job of the past, or of now, with its times. */
export interface PastJob extends Job {
  readonly queuedAt: Date | undefined;
  /** `undefined` while it waits, for one that never began, and for jobs that are no backups. */
  readonly beganAt: Date | undefined;
  /** `undefined` while it waits or runs. */
  readonly endedAt: Date | undefined;
}

/**
 * Asks for jobs, the oldest first.
 *
 * The catalog's own time of the start is that of the end of the script, where all the work is; when a job
 * really began stands in its messages.
 *
 * @param days that the jobs were queued in; all that the catalog has when `undefined`
 */
export async function jobHistory(
  bconsole: Bconsole,
  { days, timeZone }: { readonly days: number | undefined; readonly timeZone: string },
): Promise<readonly PastJob[]> {
  if (days !== undefined && !Number.isSafeInteger(days)) throw new Error("Days are whole");
  const [answer = ""] = await bconsole.say(query(days));
  return parseHistory(answer, timeZone);
}

function query(days: number | undefined): string {
  const began = "SELECT min(L.Time)::text FROM Log L WHERE L.JobId = J.JobId " +
    "AND L.LogText LIKE '%: Start Backup JobId %'";
  const columns = [
    ...["J.JobId", "J.Name", "J.Level", "J.JobStatus", "J.JobErrors"],
    ...["J.SchedTime::text", `(${began})`, "J.RealEndTime::text"].map((time) =>
      `coalesce(${time}, '')`
    ),
  ];
  const since = days === undefined ? "" : `WHERE J.SchedTime > now() - interval '${days} days' `;
  // The Director prints rows without an end, one after the other.
  return `.sql query="SELECT concat_ws('|', ${
    columns.join(", ")
  }) || chr(10) FROM Job J ${since}ORDER BY J.JobId"`;
}

/** Reads the answer to the query above. */
export function parseHistory(answer: string, timeZone: string): readonly PastJob[] {
  return answer.split("\n").map((line) => line.trim()).filter(Boolean).map((line) => {
    const [
      id,
      job = "",
      level = "",
      status = "",
      errors,
      queued = "",
      began = "",
      end = "",
      ...rest
    ] = line.split("|");
    if (job === "" || status.length !== 1 || rest.length > 0) {
      throw new VmbError(`Bacula's console was not understood: ${line}`, { code: "bacula.answer" });
    }
    const result = jobResult(status, parseCount(errors));
    return {
      id: parseCount(id),
      job,
      level: jobLevel(level),
      status,
      errors: parseCount(errors),
      result,
      queuedAt: parseLocalTime(queued, timeZone),
      beganAt: parseLocalTime(began, timeZone),
      endedAt: result === "active" ? undefined : parseLocalTime(end, timeZone),
    };
  });
}
