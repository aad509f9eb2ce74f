import assert from "node:assert/strict";
import fc from "fast-check";
import { formatDuration } from "../../../core/format/duration.ts";

Deno.test("formatDuration picks two units and carries what rounding fills up", () => {
  const table: readonly (readonly [number, string])[] = [
    [-5, "0 ms"],
    [0, "0 ms"],
    [0.4, "0 ms"],
    [42, "42 ms"],
    [99.4, "99 ms"],
    [99.9, "0.10 s"],
    [420, "0.42 s"],
    [999.9, "1.00 s"],
    [9_994, "9.99 s"],
    [9_999, "10.0 s"],
    [12_340, "12.3 s"],
    [59_940, "59.9 s"],
    [59_960, "1 m 0 s"],
    [83_000, "1 m 23 s"],
    [119_600, "2 m 0 s"],
    [3_599_400, "59 m 59 s"],
    [3_599_600, "1 h 0 m"],
    [7_500_000, "2 h 5 m"],
    [86_399_000, "1 d 0 h"],
    [273_600_000, "3 d 4 h"],
  ];
  for (const [ms, text] of table) assert.equal(formatDuration(ms), text, String(ms));
});

Deno.test("formatDuration never shows 60 seconds, 60 minutes or 24 hours", () => {
  fc.assert(fc.property(fc.double({ min: 0, max: 1e10, noNaN: true }), (ms) => {
    assert.match(
      formatDuration(ms),
      /^(\d+ m?s|\d+\.\d+ s|\d+ m [1-5]?\d s|\d+ h [1-5]?\d m|\d+ d (1?\d|2[0-3]) h)$/,
    );
    assert.doesNotMatch(formatDuration(ms), /(?<![.\d])(60(\.0)? [sm]|24 h)\b/);
  }));
});
