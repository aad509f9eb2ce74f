import assert from "node:assert/strict";
import { printResources } from "../../../core/bacula/resource.ts";
import {
  longestGapDays,
  scheduleName,
  schedules,
  siteSchedules,
} from "../../../core/bacula/schedules.ts";
import { scheduleTimes } from "../../../core/bacula/schedule_times.ts";
import { weekdays } from "../../../core/config/cycle_start.ts";
import { schedules as kinds } from "../../../core/config/vm_list_schema.ts";

const cycle = { weekday: "fri", hour: 3, minute: 5, maxRunHours: 24 } as const;

Deno.test("schedules has one for each schedule of VMs, but for manual", () => {
  const text = printResources(schedules({ cycle }));
  for (const kind of kinds) {
    const name = scheduleName(kind);
    if (kind === "manual") assert.equal(name, undefined);
    else assert.ok(text.includes(`Name = "${name}"`), kind);
  }
});

Deno.test("schedules begin with the cycle, and test restores half a week later", () => {
  const runs = printResources(schedules({ cycle })).match(/Run = .*/g) ?? [];
  assert.deepEqual(runs.filter((run) => !run.endsWith(" fri at 3:05")), [
    "Run = Level=Full 1st mon at 3:05",
  ]);
});

Deno.test("schedules leave no gap longer than promised for 30 years, on any weekday", () => {
  const [from, until] = [new Date("2026-01-01T00:00Z"), new Date("2056-12-31T00:00Z")];
  for (const weekday of weekdays) {
    const own = siteSchedules({ cycle: { ...cycle, weekday } });
    for (const kind of kinds) {
      if (kind === "manual") continue;
      const runs = own.get(scheduleName(kind) ?? "") ?? [];
      const times = scheduleTimes(runs, { timeZone: "UTC", from, until });
      const days = times.slice(1).map(({ at }, index) =>
        (at.getTime() - (times[index]?.at.getTime() ?? 0)) / 86_400_000
      );
      assert.ok(days.length > 30 * 12, `${kind} on ${weekday}`);
      assert.equal(Math.max(...days), longestGapDays[kind], `${kind} on ${weekday}`);
      // More often than promised costs space: only around the turn of a year, and for biweekly alone.
      const short = { weekly: 7, biweekly: 14, monthly: 28 }[kind];
      const often = days.filter((gap) => gap < short).length;
      assert.ok(often <= (kind === "biweekly" ? 22 : 0), `${kind} on ${weekday}: ${often}`);
    }
  }
});

Deno.test("schedules say what they reckon by: the Director reads the same weeks", () => {
  const text = printResources(schedules({ cycle }));
  assert.match(text, /Run = Level=Full w01,w05,w09,.*,w49,w53 fri at 3:05\n/);
  assert.match(text, /Run = Level=Incremental w00,w03,w07,.*,w51 fri at 3:05\n/);
  assert.match(text, /Run = Level=Incremental 2nd-5th fri at 3:05\n/);
});
