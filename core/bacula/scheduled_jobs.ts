import type { Site } from "../config/site.ts";
import type { Bconsole } from "./bconsole.ts";
import { consoleLine } from "./console_line.ts";
import { parseStatus } from "./console_records.ts";
import { jobLevel, parseCount } from "./job_state.ts";
import { scheduleTimes } from "./schedule_times.ts";
import { siteSchedules } from "./schedules.ts";

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

/** Each schedule of a site comes round within these days, and so names its jobs. */
const roundDays = 40;

/**
 * Asks what the Director's schedules will start in the next days. It is asked which jobs there are; when those of
 * the site's own schedules begin is reckoned here, for its answer is wrong where the clock changes.
 */
export async function scheduledJobs(
  bconsole: Bconsole,
  days: number,
  { site, now }: { readonly site: Pick<Site, "cycle" | "timeZone">; readonly now: Date },
): Promise<readonly ScheduledJob[]> {
  const asked = Math.max(days, roundDays);
  const [, answer = ""] = await bconsole.say(
    ".api 2",
    consoleLine("status schedule", ["days", String(asked)], ["limit", String(limit)]),
  );
  const { timeZone } = site;
  const until = new Date(now.getTime() + days * 86_400_000);
  const own = siteSchedules(site);
  const told = parseScheduledJobs(answer);
  const bySchedule = Map.groupBy(told, ({ schedule }) => schedule);
  return [...bySchedule].flatMap(([schedule, jobs]) => {
    const runs = own.get(schedule) ?? [];
    const far = new Date(now.getTime() + asked * 86_400_000);
    const all = scheduleTimes(runs, { timeZone, from: now, until: far });
    // One that the Director does not have like that was changed here and not deployed, or is somebody's own.
    const same = jobs.some(({ at }) => all.some((each) => each.at.getTime() === at.getTime()));
    if (!same) return jobs.filter(({ at }) => at <= until);
    const each = new Map(jobs.map((job) => [job.job, job])).values();
    return [...each].flatMap((job) =>
      all.filter(({ at }) => at <= until).map(({ level, at }) => ({
        ...job,
        level: job.level === undefined ? undefined : level.toLowerCase(),
        at,
      }))
    );
  }).sort((a, b) => a.at.getTime() - b.at.getTime() || a.priority - b.priority);
}

/** Reads the answer to `status schedule` after `.api 2`. */
export function parseScheduledJobs(
  answer: string,
): readonly (ScheduledJob & { readonly schedule: string })[] {
  const jobs = parseStatus(answer).flatMap((record) => {
    const { name, level = "", client = "", schedtime_epoch: epoch, type = "", schedule = "" } =
      record;
    if (name === undefined || epoch === undefined) return [];
    return [{
      job: name,
      // A job of the Director alone has a letter too, and no level.
      level: type === "B" ? jobLevel(level) : undefined,
      client,
      priority: parseCount(record["priority"]),
      at: new Date(parseCount(epoch) * 1000),
      schedule,
    }];
  });
  // 9.6.7 tells of some jobs twice.
  const key = ({ job, at }: ScheduledJob) => `${at.getTime()} ${job}`;
  return [...new Map(jobs.map((job) => [key(job), job])).values()];
}
