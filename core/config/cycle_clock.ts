import { type CycleStart, weekdays } from "./cycle_start.ts";
import { localMoments } from "./local_moments.ts";

/** A start of the cycle that the clocks of the site skip, or show twice. */
export interface ClockChange {
  /** `2027-03-28` */
  readonly date: string;
  readonly kind: "skipped" | "repeated";
}

/** Rules of time zones change; further ahead is a guess. */
const years = 10;

/**
 * Finds the next start of the cycle at which daylight saving begins or ends: Bacula's scheduler goes by the
 * clock, and starts nothing at a time that is skipped, and all of it twice at one that is repeated.
 */
export function nextClockChange(
  { weekday, hour, minute }: CycleStart,
  timeZone: string,
  from: Date,
): ClockChange | undefined {
  const today = Temporal.Instant.fromEpochMilliseconds(from.getTime())
    .toZonedDateTimeISO(timeZone).toPlainDate();
  const ahead = (weekdays.indexOf(weekday) - today.dayOfWeek + 7) % 7;
  for (let week = 0; week < years * 53; week++) {
    const date = today.add({ days: ahead + 7 * week });
    const moments = localMoments(date.toPlainDateTime({ hour, minute }), timeZone);
    if (moments.length === 1) continue;
    return { date: date.toString(), kind: moments.length === 0 ? "skipped" : "repeated" };
  }
  return undefined;
}

/** What there is to say of such a start. */
export function showClockChange({ date, kind }: ClockChange): string {
  return kind === "skipped"
    ? `The cycle of ${date} will not begin: the clocks skip its start that day`
    : `The cycle of ${date} will begin twice: the clocks show its start twice that day`;
}
