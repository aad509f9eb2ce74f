import assert from "node:assert/strict";
import fc from "fast-check";
import { Coverage } from "../../../core/nbd/coverage.ts";

Deno.test("Coverage says what a bitmap of the same ranges says", () => {
  const range = fc.tuple(fc.integer({ min: -2, max: 34 }), fc.integer({ min: -2, max: 34 }));
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 32 }), fc.array(range), (length, ranges) => {
      const coverage = new Coverage(length);
      const bitmap = new Array<boolean>(length).fill(false);
      for (const [start, end] of ranges) {
        const valid = start >= 0 && start < end && end <= length &&
          !bitmap.slice(start, end).includes(true);
        assert.equal(coverage.add(start, end), valid);
        if (valid) bitmap.fill(true, start, end);
        assert.equal(coverage.complete, !bitmap.includes(false));
      }
    }),
    { numRuns: 2000 },
  );
});

Deno.test("Coverage is complete after all pieces of a request in any order", () => {
  const cuts = fc.uniqueArray(fc.integer({ min: 1, max: 9999 }), { maxLength: 100 });
  fc.assert(
    fc.property(cuts, fc.infiniteStream(fc.double({ noNaN: true })), (unsorted, keys) => {
      const sorted = [0, ...unsorted.toSorted((a, b) => a - b), 10000];
      const pieces = sorted.slice(1).map((end, index) => ({ start: sorted[index] ?? 0, end }));
      const order = pieces
        .map((piece) => ({ piece, key: keys.next().value as number }))
        .sort((a, b) => a.key - b.key);
      const coverage = new Coverage(10000);
      for (const { piece } of order) {
        assert.equal(coverage.complete, false);
        assert.equal(coverage.add(piece.start, piece.end), true);
        assert.equal(coverage.add(piece.start, piece.end), false);
      }
      assert.equal(coverage.complete, true);
    }),
  );
});
