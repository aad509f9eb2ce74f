import { closest } from "./closest.ts";
import type { Parsed } from "./setting_type.ts";

export const weekdays = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] as const;
export type Weekday = (typeof weekdays)[number];

/** When the weekly cycle begins, in the time zone of the site. */
export interface CycleStart {
  readonly weekday: Weekday;
  readonly hour: number;
  readonly minute: number;
}

const names = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const reason = "expected a weekday and a time, as Saturday 12:00";

/** Reads `Saturday 12:00`; three letters of the weekday are enough. */
export function parseCycleStart(text: string): Parsed<CycleStart> {
  const [, day = "", hours = "", minutes = ""] = /^(\S+)\s+(\d{1,2}):(\d{2})$/.exec(text.trim()) ??
    [];
  if (day === "") {
    return { reason, hint: "The time has 24 hours; all VMs begin with the cycle, week by week" };
  }
  const word = day.toLowerCase();
  const index = names.findIndex((name) =>
    name.toLowerCase() === word || name.slice(0, 3).toLowerCase() === word
  );
  const weekday = weekdays[index];
  if (weekday === undefined) {
    const near = closest(day, names);
    const hint = near === undefined
      ? `Weekdays: ${names.join(", ")}`
      : `Did you mean "${near} ${hours}:${minutes}"?`;
    return { reason, hint };
  }
  const [hour, minute] = [Number(hours), Number(minutes)];
  if (hour > 23 || minute > 59) return { reason, hint: "The time is from 00:00 to 23:59" };
  return { value: { weekday, hour, minute } };
}
