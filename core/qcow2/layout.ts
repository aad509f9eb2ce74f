import { VmbError } from "../error.ts";
import { clusterCount, clusterSize, clustersPerSegment, roundUp } from "./cluster.ts";
import { maxL1Size } from "./header.ts";
import { layTail, type Tail } from "./tail.ts";

/** How the clusters of an image are stored; a cluster that does not shrink is stored as it is. */
export type Compression = "none" | "zstd";

/** A prediction of an image, made before its data is read. Plain data: it may cross threads. */
export interface Layout {
  /** Bytes, rounded up to whole sectors of 512 bytes. */
  readonly virtualSize: number;
  readonly compression: Compression;
  /** The most clusters that each segment may store; a segment that is absent stores none. */
  readonly segments: ReadonlyMap<number, number>;
  /** Where the tail starts when each of those clusters is stored uncompressed. */
  readonly tail: Tail;
}

export interface LayoutOptions {
  /**
   * Bytes. An image counts its size in sectors: a disk of 1 byte becomes one of 512, whose rest
   * reads as zeros, just as qemu-img makes it.
   */
  readonly virtualSize: number;
  /**
   * Upper bounds of the clusters that hold data, by segment (512 MiB). Bounds of the same segment
   * add up, and none exceeds what the segment has: ranges that share a cluster may each count it.
   */
  readonly dataClusters: Iterable<{ readonly segment: number; readonly clusters: number }>;
  readonly compression: Compression;
}

/**
 * Predicts the layout of an image from the allocation of its disk.
 *
 * The image is header, then for each segment its data clusters and its L2 table, then the tail. An
 * image never outgrows its prediction, since no cluster takes more room than an uncompressed one: a
 * compressed cluster advances less than a cluster, and the alignment after it makes up at most the
 * difference.
 *
 * @throws {VmbError} `qcow2.too-large` beyond 2 PiB, `qcow2.allocation` for a segment outside the
 *   disk
 */
export function predictLayout(options: LayoutOptions): Layout {
  const { dataClusters, compression } = options;
  const virtualSize = roundUp(checkSize(options.virtualSize), 512);
  const total = clusterCount(virtualSize);
  const l1Size = Math.ceil(total / clustersPerSegment);
  const segments = new Map<number, number>();
  for (const { segment, clusters } of dataClusters) {
    const most = Math.min(clustersPerSegment, total - segment * clustersPerSegment);
    if (!Number.isInteger(segment) || segment < 0 || most <= 0) {
      throw new VmbError(
        `Layout of the image failed: allocation in segment ${segment}: the disk has ${l1Size}`,
        { code: "qcow2.allocation" },
      );
    }
    const bound = Math.min((segments.get(segment) ?? 0) + clusters, most);
    if (bound > 0) segments.set(segment, bound);
  }
  let clusters = 1 + segments.size;
  for (const bound of segments.values()) clusters += bound;
  return { virtualSize, compression, segments, tail: layTail(clusters * clusterSize, l1Size) };
}

function checkSize(virtualSize: number): number {
  const most = maxL1Size * clustersPerSegment * clusterSize;
  if (!Number.isSafeInteger(virtualSize) || virtualSize < 0 || virtualSize > most) {
    throw new VmbError(
      `Layout of the image failed: disk of ${virtualSize} bytes: from 0 to ${most} fit into a qcow2 image`,
      { code: "qcow2.too-large" },
    );
  }
  return virtualSize;
}
