import type { Site } from "../config/site.ts";
import { type Weekday, weekdays } from "../config/cycle_start.ts";
import type { VmEntry } from "../config/vm_list.ts";
import { type Line, type Resource, syntax } from "./resource.ts";

type Schedule = Exclude<VmEntry["schedule"], "manual">;

export const cycleSchedule = "vmb-cycle";
export const testRestoreSchedule = "vmb-test-restore";

/** Name of the schedule of a VM; `undefined` for one that runs only when it is told to. */
export function scheduleName(schedule: VmEntry["schedule"]): string | undefined {
  return schedule === "manual" ? undefined : `vmb-${schedule}`;
}

/** A `Run` of a schedule: on a weekday, of all weeks or of those that are named. */
export interface ScheduleRun {
  readonly level: "Full" | "Incremental";
  readonly weekday: Weekday;
  readonly hour: number;
  readonly minute: number;
  /** Of the month, the first days 1 to 7: `[2, 5]` is the second to the fifth. */
  readonly weeksOfMonth?: readonly [first: number, last: number];
  /** Of the year, as Bacula counts them: 0 to 53. */
  readonly weeksOfYear?: readonly number[];
}

/** Days that never lie between two backups of a schedule; the clock's change may add an hour. */
export const longestGapDays: Readonly<Record<Schedule, number>> = {
  weekly: 7,
  biweekly: 14,
  monthly: 35,
};

/**
 * The schedules of VMs, all at the start of the cycle, where Bacula orders jobs by priority; that of the jobs
 * which end the cycle; and that of test restores, half a week later.
 *
 * Bacula has no "every two weeks". Odd weeks come nearest, with the week 0 that Bacula knows of the first days of
 * a year that belong to the week before its first: after a week 53, and around some turns of a year, two backups
 * are one week apart, and none is ever three.
 */
export function siteSchedules({ cycle }: Pick<Site, "cycle">): ReadonlyMap<
  string,
  readonly ScheduleRun[]
> {
  const { weekday, hour, minute } = cycle;
  const full = { level: "Full", weekday, hour, minute } as const;
  const incremental = { ...full, level: "Incremental" } as const;
  const runs: Readonly<Record<Schedule, readonly ScheduleRun[]>> = {
    weekly: [
      { ...full, weeksOfMonth: [1, 1] },
      { ...incremental, weeksOfMonth: [2, 5] },
    ],
    biweekly: [
      { ...full, weeksOfYear: weeks(1, 4) },
      { ...incremental, weeksOfYear: [0, ...weeks(3, 4)] },
    ],
    monthly: [{ ...full, weeksOfMonth: [1, 1] }],
  };
  return new Map([
    ...Object.entries(runs).map(([name, runs]) => [`vmb-${name}`, runs] as const),
    [cycleSchedule, [full]],
    [
      testRestoreSchedule,
      [{ ...full, weekday: threeDaysAfter(weekday), weeksOfMonth: [1, 1] }],
    ],
  ]);
}

/** The resources of all schedules. */
export function schedules(site: Pick<Site, "cycle">): readonly Resource[] {
  return [...siteSchedules(site)].map(([name, runs]) => ({
    kind: "Schedule",
    lines: [["Name", name], ...runs.map((run): Line => ["Run", syntax(printRun(run))])],
  }));
}

const ordinals = ["1st", "2nd", "3rd", "4th", "5th"];

function printRun({ level, weekday, hour, minute, weeksOfMonth, weeksOfYear }: ScheduleRun) {
  const [first, last] = (weeksOfMonth ?? []).map((week) => ordinals[week - 1] ?? "");
  return [
    `Level=${level}`,
    ...(first === undefined ? [] : [first === last ? first : `${first}-${last}`]),
    ...(weeksOfYear === undefined ? [] : [weeksOfYear.map(printWeek).join(",")]),
    `${weekday} at ${hour}:${String(minute).padStart(2, "0")}`,
  ].join(" ");
}

/** Bacula wants two digits: w01. */
function printWeek(week: number): string {
  return `w${String(week).padStart(2, "0")}`;
}

/** Weeks of the year from `first` on. */
function weeks(first: number, step: number): readonly number[] {
  return Array.from({ length: 53 }, (_, index) => index + 1)
    .filter((week) => week >= first && (week - first) % step === 0);
}

function threeDaysAfter(weekday: Weekday): Weekday {
  return weekdays[(weekdays.indexOf(weekday) + 3) % weekdays.length] ?? weekday;
}
