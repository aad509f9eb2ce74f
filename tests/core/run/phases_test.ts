import assert from "node:assert/strict";
import { startPhases } from "../../../core/run/phases.ts";
import type { Event } from "../../../core/event.ts";
import { fakeClock } from "../sys/fake_clock.ts";

Deno.test("startPhases adds up the seconds of each phase, the running one so far", () => {
  const clock = fakeClock();
  const events: Event[] = [];
  const phases = startPhases(clock, (event) => events.push(event));
  assert.equal(phases.current(), "start");
  clock.advance(250);
  phases.begin("copy", "Copying");
  clock.advance(1500.4);
  phases.begin("release", "Releasing");
  clock.advance(10);
  phases.begin("copy", "Copying again");
  clock.advance(499.6);
  assert.equal(phases.current(), "copy");
  assert.deepEqual(phases.seconds(), { start: 0.25, copy: 2, release: 0.01 });
  assert.deepEqual(Object.keys(phases.seconds()), ["start", "copy", "release"]);
  clock.advance(1000);
  assert.equal(phases.seconds()["copy"], 3);
  phases.begin("publish", "Publishing");
  assert.deepEqual(phases.seconds(), { start: 0.25, copy: 3, release: 0.01, publish: 0 });
  assert.deepEqual(events[0], { kind: "phase", phase: "copy", text: "Copying" });
  assert.equal(events.length, 4);
});
