import { formatDuration } from "../../core/format/duration.ts";

/** A time as the site's clocks show it: `Sat 2026-11-28 12:00`; `-` for none. */
export function localTime(time: Date | undefined, timeZone: string): string {
  if (time === undefined) return "-";
  const local = Temporal.Instant.fromEpochMilliseconds(time.getTime()).toZonedDateTimeISO(timeZone);
  const day = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"][local.dayOfWeek - 1];
  const clock = local.toPlainTime().toString({ smallestUnit: "minute" });
  return `${day} ${local.toPlainDate().toString()} ${clock}`;
}

/** How long a job took: Bacula's log knows whole seconds only. */
export function jobDuration(seconds: number): string {
  return seconds < 1 ? "< 1 s" : formatDuration(seconds * 1000);
}
