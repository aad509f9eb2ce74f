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

/**
 * The schedules of VMs, all at the start of the cycle, where Bacula orders jobs by priority; that of the jobs
 * which end the cycle; and that of test restores, half a week later.
 *
 * Bacula has no "every two weeks". Odd ISO weeks come nearest: a year of 53 weeks is followed by a backup one
 * week later, and none is ever three weeks away, as with even weeks.
 */
export function schedules(site: Pick<Site, "cycle">): readonly Resource[] {
  const { weekday, hour, minute } = site.cycle;
  const at = `at ${hour}:${String(minute).padStart(2, "0")}`;
  const runs: Readonly<Record<Schedule, readonly string[]>> = {
    weekly: [
      `Level=Full 1st ${weekday} ${at}`,
      `Level=Incremental 2nd-5th ${weekday} ${at}`,
    ],
    biweekly: [
      `Level=Full ${weeks(1, 4)} ${weekday} ${at}`,
      `Level=Incremental ${weeks(3, 4)} ${weekday} ${at}`,
    ],
    monthly: [`Level=Full 1st ${weekday} ${at}`],
  };
  return [
    ...Object.entries(runs).map(([name, lines]) => schedule(`vmb-${name}`, lines)),
    schedule(cycleSchedule, [`Level=Full ${weekday} ${at}`]),
    schedule(testRestoreSchedule, [`Level=Full 1st ${threeDaysAfter(weekday)} ${at}`]),
  ];
}

function schedule(name: string, runs: readonly string[]): Resource {
  return {
    kind: "Schedule",
    lines: [["Name", name], ...runs.map((run): Line => ["Run", syntax(run)])],
  };
}

/** Weeks of the year from `first` on, written as Bacula wants them: w01, w05. */
function weeks(first: number, step: number): string {
  const numbers = Array.from({ length: 53 }, (_, index) => index + 1)
    .filter((week) => week >= first && (week - first) % step === 0);
  return numbers.map((week) => `w${String(week).padStart(2, "0")}`).join(",");
}

function threeDaysAfter(weekday: Weekday): Weekday {
  return weekdays[(weekdays.indexOf(weekday) + 3) % weekdays.length] ?? weekday;
}
