import { exitCodes, VmbError } from "../error.ts";
import type { Bconsole } from "./bconsole.ts";
import { consoleLine } from "./console_line.ts";
import { parseLongList } from "./console_records.ts";
import { type LogEntry, parseJobLog } from "./job_log.ts";
import { jobNote } from "./job_note.ts";
import { jobLevel, type JobResult, jobResult, parseCount } from "./job_state.ts";

/** A job, as the catalog has it. */
export interface Job {
  readonly id: number;
  /** Name of the job's resource. */
  readonly job: string;
  readonly level: string | undefined;
  readonly result: JobResult;
  /** Bacula's letter. */
  readonly status: string;
  readonly errors: number;
}

/** Finds a job by its number; `undefined` for one that the catalog does not have, or no longer. */
export async function findJob(bconsole: Bconsole, id: number): Promise<Job | undefined> {
  const [answer = ""] = await bconsole.say(consoleLine("llist", ["jobid", String(id)]));
  const record = parseLongList(answer).find(({ jobid }) => jobid !== undefined);
  if (record === undefined) return undefined;
  const { name = "", level = "", jobstatus: status = "" } = record;
  const errors = parseCount(record["joberrors"]);
  return {
    id,
    job: name,
    level: jobLevel(level),
    result: jobResult(status, errors),
    status,
    errors,
  };
}

/** @throws {VmbError} `bacula.no-job` (exit 10) */
export async function getJob(bconsole: Bconsole, id: number): Promise<Job> {
  const job = await findJob(bconsole, id);
  if (job !== undefined) return job;
  throw new VmbError(`Bacula has no job ${id}`, {
    code: "bacula.no-job",
    exit: exitCodes.notFound,
    hint: "List those of the last days: vmb ctl jobs --days 30",
  });
}

/** A job that has ended, with what its messages say of its result. */
export function withMessages(job: Job, log: readonly LogEntry[]): Job {
  const note = jobNote(log.map(({ text }) => text));
  return { ...job, result: jobResult(job.status, job.errors, note) };
}

/** What a job told so far. */
export async function jobLog(bconsole: Bconsole, id: number): Promise<readonly LogEntry[]> {
  const [answer = ""] = await bconsole.say(consoleLine("llist joblog", ["jobid", String(id)]));
  return parseJobLog(answer);
}
