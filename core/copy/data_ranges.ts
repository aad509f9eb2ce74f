import { clusterCount, clusterSize, clustersPerSegment } from "../qcow2/cluster.ts";
import { ClusterSet, type DataRange } from "./cluster_set.ts";
import { clustersPerChunk } from "./messages.ts";

/** A part of a disk, in bytes, that has or has not data. */
export interface AllocationRun {
  readonly offset: number;
  readonly length: number;
  readonly data: boolean;
}

/**
 * Rounds the data of an allocation outward to clusters, and joins what then touches.
 *
 * @param size of the disk, in bytes
 */
export async function dataRanges(
  runs: AsyncIterable<AllocationRun> | Iterable<AllocationRun>,
  size: number,
): Promise<Iterable<DataRange>> {
  const clusters = new ClusterSet(clusterCount(size));
  for await (const { offset, length, data } of runs) {
    if (!data) continue;
    clusters.add({
      first: Math.floor(offset / clusterSize),
      end: Math.ceil((offset + length) / clusterSize),
    });
  }
  return clusters;
}

export function countClusters(ranges: Iterable<DataRange>): number {
  let count = 0;
  for (const { first, end } of ranges) count += end - first;
  return count;
}

/** Counts the clusters of each segment (512 MiB), as the prediction of a layout wants them. */
export function* clustersBySegment(
  ranges: Iterable<DataRange>,
): Generator<{ segment: number; clusters: number }> {
  for (const { first, end } of pieces(ranges, clustersPerSegment)) {
    yield { segment: Math.floor(first / clustersPerSegment), clusters: end - first };
  }
}

/** Cuts ranges into what one message carries; no piece crosses a multiple of a chunk. */
export function chunksOf(ranges: Iterable<DataRange>): Generator<DataRange> {
  return pieces(ranges, clustersPerChunk);
}

function* pieces(ranges: Iterable<DataRange>, size: number): Generator<DataRange> {
  for (const range of ranges) {
    for (let first = range.first; first < range.end;) {
      const end = Math.min((Math.floor(first / size) + 1) * size, range.end);
      yield { first, end };
      first = end;
    }
  }
}
