import { VmbError } from "../error.ts";
import type { Bconsole } from "./bconsole.ts";
import type { Job } from "./job.ts";
import { type JobNote, jobNoteSql } from "./job_note.ts";
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
  const since = days === undefined
    ? ""
    : `WHERE J.SchedTime > (now() AT TIME ZONE '${timeZone}') - interval '${days} days' `;
  const [answer = ""] = await bconsole.say(query(since));
  return parseHistory(answer, timeZone);
}

/**
 * Asks for the last job of each name that ended, and for the last one that made a backup: a catalog of years has
 * tens of thousands of jobs.
 */
export async function lastJobs(
  bconsole: Bconsole,
  { timeZone }: { readonly timeZone: string },
): Promise<readonly PastJob[]> {
  const last = (which: string) =>
    `SELECT DISTINCT ON (J.Name) J.JobId FROM Job J WHERE ${which} ORDER BY J.Name, J.JobId DESC`;
  const ended = `J.JobStatus IN ('T', 'W', 'D', 'e', 'A', 'f', 'E', 'I')`;
  const good = `J.JobStatus IN ('T', 'W', 'D', 'e') OR ${jobNoteSql} = 'made'`;
  const [answer = ""] = await bconsole.say(query(
    `WHERE J.JobId IN (${last(`${ended} AND ${jobNoteSql} <> 'duplicate'`)}) ` +
      `OR J.JobId IN (${last(good)}) `,
  ));
  return parseHistory(answer, timeZone);
}

function query(which: string): string {
  const began = "SELECT min(L.Time)::text FROM Log L WHERE L.JobId = J.JobId " +
    "AND L.LogText LIKE '%: Start Backup JobId %'";
  const columns = [
    ...["J.JobId", "J.Name", "J.Level", "J.JobStatus", "J.JobErrors"],
    ...["J.SchedTime::text", `(${began})`, "J.RealEndTime::text"].map((time) =>
      `coalesce(${time}, '')`
    ),
    jobNoteSql,
  ];
  // The Director prints rows without an end, one after the other.
  return `.sql query="SELECT concat_ws('|', ${
    columns.join(", ")
  }) || chr(10) FROM Job J ${which}ORDER BY J.JobId"`;
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
      note = "",
      ...rest
    ] = line.split("|");
    if (job === "" || status.length !== 1 || !isJobNote(note) || rest.length > 0) {
      throw new VmbError(`Bacula's console was not understood: ${line}`, { code: "bacula.answer" });
    }
    const result = jobResult(status, parseCount(errors), note);
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

function isJobNote(text: string): text is JobNote {
  return text === "" || text === "made" || text === "duplicate";
}
