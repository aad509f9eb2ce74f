import type { Bconsole } from "./bconsole.ts";
import { consoleLine } from "./console_line.ts";
import { parseStatus } from "./console_records.ts";
import { jobLevel, parseCount } from "./job_state.ts";

/** A job that a schedule will start. */
export interface ScheduledJob {
  /** Name of the job's resource. */
  readonly job: string;
  readonly level: string | undefined;
  readonly client: string;
  readonly priority: number;
  readonly at: Date;
}

/** Far more than a site has; without it a Director may stop at fewer. */
const limit = 10_000;

/** Asks what the Director's schedules will start in the next days. */
export async function scheduledJobs(
  bconsole: Bconsole,
  days: number,
): Promise<readonly ScheduledJob[]> {
  const [, answer = ""] = await bconsole.say(
    ".api 2",
    consoleLine("status schedule", ["days", String(days)], ["limit", String(limit)]),
  );
  return parseScheduledJobs(answer);
}

/** Reads the answer to `status schedule` after `.api 2`. */
export function parseScheduledJobs(answer: string): readonly ScheduledJob[] {
  const jobs = parseStatus(answer).flatMap((record): readonly ScheduledJob[] => {
    const { name, level = "", client = "", schedtime_epoch: epoch, type = "" } = record;
    if (name === undefined || epoch === undefined) return [];
    return [{
      job: name,
      // A job of the Director alone has a letter too, and no level.
      level: type === "B" ? jobLevel(level) : undefined,
      client,
      priority: parseCount(record["priority"]),
      at: new Date(parseCount(epoch) * 1000),
    }];
  });
  // 9.6.7 tells of some jobs twice.
  const key = ({ job, at }: ScheduledJob) => `${at.getTime()} ${job}`;
  return [...new Map(jobs.map((job) => [key(job), job])).values()];
}
