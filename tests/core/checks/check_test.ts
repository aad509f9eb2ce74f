import assert from "node:assert/strict";
import {
  assertPassed,
  type Check,
  failed,
  passed,
  runChecks,
  warned,
} from "../../../core/checks/check.ts";
import { VmbError } from "../../../core/error.ts";
import type { Event } from "../../../core/event.ts";

const checks: readonly Check[] = [
  { name: "fine", run: () => passed("all is well") },
  { name: "odd", run: () => Promise.resolve(warned("it is odd", "Look at it")) },
  {
    name: "thrower",
    run: () => Promise.reject(new VmbError("No answer", { code: "x", hint: "H" })),
  },
  { name: "bad", run: () => failed("it is bad", "Mend it") },
  { name: "skipped", run: () => ({ outcome: "skipped", detail: "not now" }) },
];

Deno.test("runChecks runs all in order, reports each, and takes an error for a failure", async () => {
  const events: Event[] = [];
  const results = await runChecks(checks, (event) => events.push(event));
  assert.deepEqual(results.map(({ name, outcome, detail }) => [name, outcome, detail]), [
    ["fine", "ok", "all is well"],
    ["odd", "warning", "it is odd"],
    ["thrower", "failed", "No answer"],
    ["bad", "failed", "it is bad"],
    ["skipped", "skipped", "not now"],
  ]);
  assert.equal(results[2]?.hint, "H");
  assert.deepEqual(
    events.map((event) => event.kind === "check" && [event.name, event.outcome]),
    results.map(({ name, outcome }) => [name, outcome]),
  );
});

Deno.test("runChecks runs checks side by side, and tells of them in their order", async () => {
  const first = Promise.withResolvers<void>();
  const told: string[] = [];
  await runChecks([
    { name: "waits", run: () => first.promise.then(() => passed("at last")) },
    {
      name: "frees",
      run() {
        first.resolve();
        return passed("at once");
      },
    },
  ], (event) => told.push(event.kind === "check" ? event.name : ""));
  assert.deepEqual(told, ["waits", "frees"]);
});

Deno.test("runChecks without a program that it needs says nothing at all", async () => {
  const missing = new VmbError("Program not found: x", { code: "process.missing", exit: 5 });
  const running = runChecks([
    { name: "programs", run: () => Promise.reject(missing) },
    { name: "other", run: () => Promise.reject(new Error("also")) },
  ], () => {});
  await assert.rejects(running, missing);
});

Deno.test("runChecks takes a missing program for a finding of one check where it is told to", async () => {
  const hint = "Install it";
  const missing = new VmbError("Program not found: x", { code: "process.missing", exit: 5, hint });
  const results = await runChecks(
    [
      { name: "programs", run: () => Promise.reject(missing) },
      { name: "other", run: () => passed("well") },
    ],
    () => {},
    { missing: "failed" },
  );
  assert.deepEqual(results, [
    { name: "programs", outcome: "failed", detail: "Program not found: x", hint },
    { name: "other", outcome: "ok", detail: "well" },
  ]);
});

Deno.test("assertPassed names the first failure with its hint, and counts the rest", async () => {
  const results = await runChecks(checks, () => {});
  assert.throws(() => assertPassed('Checks of "x"', results), {
    code: "checks.failed",
    exit: 6,
    message: 'Checks of "x" failed: thrower: No answer; also bad',
    hint: "H",
  });
  assert.throws(() => assertPassed("Checks", results.slice(3)), {
    message: "Checks failed: bad: it is bad",
  });
  assertPassed("Checks", results.filter(({ outcome }) => outcome !== "failed"));
  assertPassed("Checks", []);
});

Deno.test("runChecks runs no more checks at once than it may, and tells them in their order", async () => {
  let now = 0;
  let most = 0;
  const checks = [4, 1, 3, 0, 2].map((turns, index): Check => ({
    name: `check-${index}`,
    async run() {
      most = Math.max(most, ++now);
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      now--;
      return passed("fine");
    },
  }));
  const told: string[] = [];
  await runChecks(checks, (event) => event.kind === "check" && told.push(event.name), { limit: 2 });
  assert.deepEqual([most, told], [2, checks.map(({ name }) => name)]);
});
