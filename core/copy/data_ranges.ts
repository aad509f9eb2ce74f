import { clusterSize, clustersPerSegment } from "../qcow2/cluster.ts";
import { clustersPerChunk } from "./messages.ts";

/** A part of a disk, in bytes, that has or has not data. */
export interface AllocationRun {
  readonly offset: number;
  readonly length: number;
  readonly data: boolean;
}

/** Clusters that hold data: `[first, end)`, ascending, with at least one cluster between two ranges. */
export interface DataRange {
  readonly first: number;
  readonly end: number;
}

/** Rounds the data of an allocation outward to clusters, and joins what then touches. */
export async function dataRanges(
  runs: AsyncIterable<AllocationRun> | Iterable<AllocationRun>,
): Promise<readonly DataRange[]> {
  const ranges: { first: number; end: number }[] = [];
  for await (const { offset, length, data } of runs) {
    if (!data || length === 0) continue;
    const first = Math.floor(offset / clusterSize);
    const end = Math.ceil((offset + length) / clusterSize);
    const last = ranges.at(-1);
    if (last && first <= last.end) last.end = Math.max(last.end, end);
    else ranges.push({ first, end });
  }
  return ranges;
}

export function countClusters(ranges: readonly DataRange[]): number {
  return ranges.reduce((sum, { first, end }) => sum + end - first, 0);
}

/** Counts the clusters of each segment (512 MiB), as the prediction of a layout wants them. */
export function* clustersBySegment(
  ranges: readonly DataRange[],
): Generator<{ segment: number; clusters: number }> {
  for (const { first, end } of pieces(ranges, clustersPerSegment)) {
    yield { segment: Math.floor(first / clustersPerSegment), clusters: end - first };
  }
}

/** Cuts ranges into what one message carries; no piece crosses a multiple of a chunk. */
export function chunksOf(ranges: readonly DataRange[]): Generator<DataRange> {
  return pieces(ranges, clustersPerChunk);
}

function* pieces(ranges: readonly DataRange[], size: number): Generator<DataRange> {
  for (const range of ranges) {
    for (let first = range.first; first < range.end;) {
      const end = Math.min((Math.floor(first / size) + 1) * size, range.end);
      yield { first, end };
      first = end;
    }
  }
}
