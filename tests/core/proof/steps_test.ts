import assert from "node:assert/strict";
import type { Event } from "../../../core/event.ts";
import { stepFailed, stepOk, Steps, stepSkipped, stepUnproven } from "../../../core/proof/steps.ts";
import { fakeClock } from "../sys/fake_clock.ts";

Deno.test("Steps passes when nothing failed, and says what was not shown", () => {
  const steps = new Steps(fakeClock(), () => {});
  steps.add("boot", 0, stepOk("it answers"));
  steps.add("screenshot", 0, stepSkipped("no screen"));
  steps.add("screen", 0, { outcome: "warning", detail: "blank" });
  assert.equal(steps.verdict().verdict, "pass");
  steps.add("tcp", 0, stepUnproven("no network"));
  assert.deepEqual(steps.verdict(), { verdict: "inconclusive", reason: "tcp: no network" });
  steps.add("command", 0, stepFailed("status 1"));
  steps.add("other", 0, stepFailed("status 2"));
  assert.deepEqual(steps.verdict(), { verdict: "fail", reason: "command: status 1" });
});

Deno.test("Steps times each step and reports it", async () => {
  const clock = fakeClock();
  const events: Event[] = [];
  const steps = new Steps(clock, (event) => events.push(event));
  const value = await steps.run("system", () => Promise.resolve(["Linux", stepOk("Linux")]));
  assert.equal(value, "Linux");
  assert.deepEqual(steps.list(), [{ name: "system", outcome: "ok", detail: "Linux", seconds: 0 }]);
  assert.equal(events.length, 1);
  await assert.rejects(steps.run("bad", () => Promise.reject(new Error("no"))), /no/);
  assert.equal(steps.list().length, 1);
});
