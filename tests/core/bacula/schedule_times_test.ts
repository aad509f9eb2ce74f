import assert from "node:assert/strict";
import { scheduleTimes, weekOfYear } from "../../../core/bacula/schedule_times.ts";

const weekly = { level: "Full", weekday: "sun", hour: 2, minute: 30 } as const;

function berlin(hour: number, minute: number, from: string, until: string) {
  const times = scheduleTimes([{ ...weekly, hour, minute }], {
    timeZone: "Europe/Berlin",
    from: new Date(from),
    until: new Date(until),
  });
  return times.map(({ at }) => at.toISOString().slice(0, 16));
}

Deno.test("scheduleTimes goes by the local clock, which skips a time, or shows it twice", () => {
  assert.deepEqual(berlin(2, 30, "2027-03-20T00:00Z", "2027-04-05T00:00Z"), [
    "2027-03-21T01:30",
    "2027-04-04T00:30",
  ]);
  assert.deepEqual(berlin(2, 30, "2026-10-24T00:00Z", "2026-10-27T00:00Z"), [
    "2026-10-25T00:30",
    "2026-10-25T01:30",
  ]);
  assert.deepEqual(berlin(12, 0, "2026-10-17T00:00Z", "2026-11-02T00:00Z"), [
    "2026-10-18T10:00",
    "2026-10-25T11:00",
    "2026-11-01T11:00",
  ]);
});

Deno.test("scheduleTimes takes the hour of both ends into account", () => {
  const at = "2026-11-29T01:30Z";
  assert.equal(berlin(2, 30, at, at).length, 1);
  assert.deepEqual(berlin(2, 30, "2026-11-29T01:31Z", "2026-12-05T23:00Z"), []);
});

Deno.test("weekOfYear counts as Bacula does, which has a week 0, and more days in week 53", () => {
  const table = {
    "2026-12-26": 52,
    "2026-12-31": 53,
    "2027-01-01": 0,
    "2027-01-02": 0,
    "2027-01-04": 1,
    "2028-01-01": 0,
    "2024-12-30": 53,
    "2025-01-01": 1,
    "2025-01-06": 2,
  };
  for (const [date, week] of Object.entries(table)) {
    assert.equal(weekOfYear(Temporal.PlainDate.from(date)), week, date);
  }
});
