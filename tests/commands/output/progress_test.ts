import fc from "fast-check";
import assert from "node:assert/strict";
import {
  advance,
  noProgress,
  percentOf,
  renderProgress,
} from "../../../commands/output/progress.ts";

const MiB = 1024 ** 2;

Deno.test("renderProgress shows share, rate and what is left of each disk", () => {
  const table: readonly [readonly [string, number, number, number][], string][] = [
    [[], ""],
    [[["vda", 0, 100 * MiB, 0]], "vda   0%"],
    [[["vda", 0, 0, 0]], "vda 100%"],
    [
      [["vda", 0, 100 * MiB, 0], ["vda", 50 * MiB, 100 * MiB, 1000]],
      "vda  50% 50 MiB/s, 1.00 s left",
    ],
    [[["vda", 0, 9, 0], ["vda", 0, 9, 1000]], "vda   0% 0 B/s"],
    [[["vda", 0, 9, 0], ["vda", 9, 9, 1000]], "vda 100% 9 B/s, 0 ms left"],
    [[["vda", 0, 9, 0], ["vda", 99, 9, 1000]], "vda 100% 99 B/s, 0 ms left"],
    [
      [["vda", 0, 2 * MiB, 0], ["vdb", 0, 4 * MiB, 0], ["vdb", MiB, 4 * MiB, 500]],
      "vda   0% | vdb  25% 2 MiB/s, 1.50 s left",
    ],
  ];
  for (const [events, expected] of table) {
    const state = events.reduce(
      (state, [target, done, total, now]) => advance(state, { target, done, total }, now),
      noProgress,
    );
    assert.equal(renderProgress(state, 80), expected);
  }
});

Deno.test("renderProgress never is wider than the terminal", () => {
  fc.assert(
    fc.property(fc.nat(100), fc.array(fc.nat(MiB), { maxLength: 6 }), (columns, dones) => {
      let state = noProgress;
      dones.forEach((done, index) => {
        state = advance(state, { target: `vd${index}`, done: 0, total: MiB }, 0);
        state = advance(state, { target: `vd${index}`, done, total: MiB }, 1000);
      });
      const line = renderProgress(state, columns);
      assert.ok(line.length <= Math.max(columns, 1), line);
      assert.ok(!line.includes("\n"));
    }),
  );
});

Deno.test("percentOf never says 100 before the end", () => {
  assert.equal(percentOf({ done: 999, total: 1000 }), 99);
  assert.equal(percentOf({ done: 1000, total: 1000 }), 100);
  assert.equal(percentOf({ done: 2000, total: 1000 }), 100);
});
