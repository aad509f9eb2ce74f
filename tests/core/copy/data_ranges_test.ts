import type { DataRange } from "../../../core/copy/cluster_set.ts";
import fc from "fast-check";
import assert from "node:assert/strict";
import {
  type AllocationRun,
  chunksOf,
  clustersBySegment,
  countClusters,
  dataRanges,
} from "../../../core/copy/data_ranges.ts";
import { clustersPerChunk } from "../../../core/copy/messages.ts";

const clusterSize = 65_536;
const clustersPerSegment = 8192;

/** What an export says of itself: runs that follow each other, of any length. */
const allocations = fc.array(
  fc.record({
    length: fc.oneof(
      fc.integer({ min: 1, max: 3 * clusterSize }),
      fc.integer({ min: 1, max: 40 }).map((clusters) => clusters * clusterSize),
      fc.integer({ min: 1, max: 3 * 2 ** 30 }),
    ),
    data: fc.boolean(),
  }),
  { maxLength: 30 },
).map((runs) => {
  let offset = 0;
  return runs.map(({ length, data }): AllocationRun => {
    const run = { offset, length, data };
    offset += length;
    return run;
  });
});

Deno.test("dataRanges covers all data and no cluster without any, in order and apart", async () => {
  await fc.assert(
    fc.asyncProperty(allocations, async (runs) => {
      const ranges = [...await dataRanges(runs, sizeOf(runs))];
      let before = -1;
      for (const { first, end } of ranges) {
        assert.ok(first > before && end > first);
        before = end;
      }
      const data = runs.filter((run) => run.data);
      const spans = data.map(({ offset, length }): DataRange => ({
        first: Math.floor(offset / clusterSize),
        end: Math.ceil((offset + length) / clusterSize),
      }));
      for (const span of spans) {
        assert.ok(ranges.some(({ first, end }) => first <= span.first && span.end <= end));
      }
      const touched = new Set(spans.flatMap(({ first, end }) => [first, end - 1]));
      for (const { first, end } of ranges) assert.ok(touched.has(first) && touched.has(end - 1));
      assert.equal(countClusters(ranges), unionLength(spans));
    }),
    { numRuns: 200 },
  );
});

Deno.test("chunksOf and clustersBySegment cut ranges without loss, at their multiples", async () => {
  await fc.assert(
    fc.asyncProperty(allocations, async (runs) => {
      const ranges = [...await dataRanges(runs, sizeOf(runs))];
      const chunks = [...chunksOf(ranges)];
      for (const { first, end } of chunks) {
        assert.ok(end > first && end - first <= clustersPerChunk);
        assert.equal(
          Math.floor(first / clustersPerChunk),
          Math.floor((end - 1) / clustersPerChunk),
        );
      }
      assert.deepEqual(joined(chunks), ranges);
      const segments = new Map<number, number>();
      let last = -1;
      for (const { segment, clusters } of clustersBySegment(ranges)) {
        assert.ok(segment >= last);
        last = segment;
        segments.set(segment, (segments.get(segment) ?? 0) + clusters);
      }
      const expected = new Map<number, number>();
      for (const { first, end } of chunks) {
        const segment = Math.floor(first / clustersPerSegment);
        expected.set(segment, (expected.get(segment) ?? 0) + end - first);
      }
      assert.deepEqual([...segments], [...expected]);
    }),
    { numRuns: 200 },
  );
});

Deno.test("dataRanges of nothing, and of holes, is nothing", async () => {
  assert.deepEqual([...await dataRanges([], 0)], []);
  const hole = { offset: 0, length: 10 ** 12, data: false };
  assert.deepEqual([...await dataRanges([hole], 10 ** 12)], []);
  assert.equal(countClusters([]), 0);
});

function sizeOf(runs: readonly AllocationRun[]): number {
  return runs.reduce((sum, { length }) => sum + length, 0);
}

function joined(pieces: readonly DataRange[]): readonly DataRange[] {
  const result: { first: number; end: number }[] = [];
  for (const { first, end } of pieces) {
    const last = result.at(-1);
    if (last?.end === first) last.end = end;
    else result.push({ first, end });
  }
  return result;
}

/** Spans come sorted by their start. */
function unionLength(spans: readonly DataRange[]): number {
  let covered = 0;
  let reached = 0;
  for (const { first, end } of spans) {
    covered += Math.max(0, end - Math.max(first, reached));
    reached = Math.max(reached, end);
  }
  return covered;
}
