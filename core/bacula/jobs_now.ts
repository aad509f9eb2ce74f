import type { Bconsole } from "./bconsole.ts";
import { consoleLine } from "./console_line.ts";
import { parseStatus } from "./console_records.ts";
import { jobLevel, type JobResult, jobResult, parseCount } from "./job_state.ts";

/** A job that the Director has at hand: it waits or runs, or it failed or was canceled and is being ended. */
export interface ActiveJob {
  readonly id: number;
  /** Name of the job's resource. */
  readonly job: string;
  readonly level: string | undefined;
  /** Bacula's words: `is running`, `is waiting for higher priority jobs to finish`. */
  readonly state: string;
  readonly running: boolean;
  /** Known before the catalog has it, which may be long: the Director also waits for a script to end. */
  readonly result: JobResult;
  readonly priority: number;
  readonly queuedAt: Date;
}

/** Jobs that the Director has at hand, in its order. */
export async function activeJobs(bconsole: Bconsole): Promise<readonly ActiveJob[]> {
  const [, answer = ""] = await bconsole.say(".api 2", ".status dir running");
  return parseStatus(answer).flatMap((record): readonly ActiveJob[] => {
    const { jobid, name = "", level = "", status = "", status_desc: state = "" } = record;
    if (jobid === undefined) return [];
    return [{
      id: parseCount(jobid),
      job: name,
      level: jobLevel(level),
      state,
      running: status === "R",
      result: jobResult(status, 0),
      priority: parseCount(record["priority"]),
      queuedAt: new Date(parseCount(record["schedtime_epoch"]) * 1000),
    }];
  });
}

/** Names of all jobs that the Director knows. */
export async function jobNames(bconsole: Bconsole): Promise<readonly string[]> {
  const [answer = ""] = await bconsole.say(consoleLine(".jobs"));
  return answer.split("\n").map((line) => line.trim()).filter(Boolean);
}
