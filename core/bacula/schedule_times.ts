import { weekdays } from "../config/cycle_start.ts";
import { localMoments } from "../config/local_moments.ts";
import type { ScheduleRun } from "./schedules.ts";

/** A start that a schedule asks for. */
export interface ScheduleTime {
  readonly level: ScheduleRun["level"];
  readonly at: Date;
}

/**
 * Tells when the Director's scheduler (dird/scheduler.c) starts what a schedule names. It looks at the local
 * clock: a time that the clock skips is never reached, and one that it repeats is reached twice.
 *
 * The Director's own forecast (`status schedule`) steps by 24 hours, and is an hour or a day off where the clock
 * changes.
 */
export function scheduleTimes(
  runs: readonly ScheduleRun[],
  { timeZone, from, until }: {
    readonly timeZone: string;
    readonly from: Date;
    readonly until: Date;
  },
): readonly ScheduleTime[] {
  const [first, last] = [from, until].map((time) =>
    Temporal.Instant.fromEpochMilliseconds(time.getTime()).toZonedDateTimeISO(timeZone)
      .toPlainDate()
  );
  if (first === undefined || last === undefined) return [];
  const times: ScheduleTime[] = [];
  for (const run of runs) {
    const ahead = (weekdays.indexOf(run.weekday) - first.dayOfWeek + 7) % 7;
    let date = first.add({ days: ahead });
    for (; Temporal.PlainDate.compare(date, last) <= 0; date = date.add({ days: 7 })) {
      if (!runsInWeek(run, date)) continue;
      const local = date.toPlainDateTime({ hour: run.hour, minute: run.minute });
      for (const at of localMoments(local, timeZone)) {
        if (at >= from && at <= until) times.push({ level: run.level, at });
      }
    }
  }
  return times.sort((a, b) => a.at.getTime() - b.at.getTime());
}

/** Whether a `Run` is of the week of a day, as the Director decides. */
function runsInWeek(
  { weeksOfMonth, weeksOfYear }: ScheduleRun,
  date: Temporal.PlainDate,
): boolean {
  const week = Math.ceil(date.day / 7);
  if (weeksOfMonth !== undefined && (week < weeksOfMonth[0] || week > weeksOfMonth[1])) {
    return false;
  }
  return weeksOfYear === undefined || weeksOfYear.includes(weekOfYear(date));
}

/**
 * The week of a year as Bacula counts (lib/btime.c, tm_woy): that of ISO 8601, but 0 for the days before the
 * first week, and 53 for those at the end that belong to the first week of the next year.
 */
export function weekOfYear(date: Temporal.PlainDate): number {
  const fourth = date.with({ month: 1, day: 4 });
  // Days from Monday of the first week to the first of January; less than 0 when it is in the old year.
  const monday = fourth.subtract({ days: fourth.dayOfWeek - 1 });
  const days = monday.until(date, { largestUnit: "days" }).days;
  return days < 0 ? 0 : 1 + Math.floor(days / 7);
}
