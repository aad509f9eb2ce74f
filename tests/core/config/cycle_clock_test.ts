import assert from "node:assert/strict";
import { nextClockChange, showClockChange } from "../../../core/config/cycle_clock.ts";

const now = new Date("2026-11-26T00:00Z");

function next(weekday: "sat" | "sun", hour: number, minute: number, zone: string, from = now) {
  return nextClockChange({ weekday, hour, minute }, zone, from);
}

Deno.test("nextClockChange finds the next start that the clocks skip or repeat", () => {
  assert.deepEqual(next("sun", 2, 30, "Europe/Berlin"), { date: "2027-03-28", kind: "skipped" });
  const summer = new Date("2027-04-01T00:00Z");
  assert.deepEqual(next("sun", 2, 0, "Europe/Berlin", summer), {
    date: "2027-10-31",
    kind: "repeated",
  });
  // Where the clocks change at midnight, from Saturday to Sunday.
  assert.deepEqual(next("sun", 0, 30, "America/Havana"), { date: "2027-03-14", kind: "skipped" });
});

Deno.test("nextClockChange finds none beside those hours, and in zones that have none", () => {
  for (const hour of [0, 1, 3, 12]) assert.equal(next("sun", hour, 0, "Europe/Berlin"), undefined);
  assert.equal(next("sat", 2, 30, "Europe/Berlin"), undefined);
  assert.equal(next("sun", 2, 30, "UTC"), undefined);
});

Deno.test("showClockChange tells what will happen, and when", () => {
  assert.match(
    showClockChange({ date: "2027-03-28", kind: "skipped" }),
    /2027-03-28 will not begin/,
  );
  assert.match(showClockChange({ date: "2027-10-31", kind: "repeated" }), /2027-10-31 .* twice/);
});
