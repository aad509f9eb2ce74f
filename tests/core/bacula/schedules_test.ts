import assert from "node:assert/strict";
import { printResources } from "../../../core/bacula/resource.ts";
import { scheduleName, schedules } from "../../../core/bacula/schedules.ts";
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

Deno.test("schedules reach every odd week with biweekly, and no even one", () => {
  const weeks = printResources(schedules({ cycle })).match(/w\d\d/g) ?? [];
  const odd = Array.from(
    { length: 27 },
    (_, index) => `w${String(2 * index + 1).padStart(2, "0")}`,
  );
  assert.deepEqual(weeks.toSorted(), odd);
});
