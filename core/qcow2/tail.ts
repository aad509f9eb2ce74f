import { VmbError } from "../error.ts";
import type { Chunk } from "./chunk.ts";
import { clusterSize, roundUp } from "./cluster.ts";
import { setEntry, setOffset } from "./entry.ts";
import { maxRefcountTableBytes } from "./header.ts";
import { type Refcounts, refcountsPerBlock } from "./refcounts.ts";

/**
 * The end of an image file, made of whole clusters: L1 table, refcount table, refcount blocks. All
 * offsets are bytes from the start of the file.
 */
export interface Tail {
  readonly offset: number;
  /** Entries of the L1 table, one for each segment of the disk. */
  readonly l1Size: number;
  /** 0 when the L1 table has no entries, as qemu writes it. */
  readonly l1TableOffset: number;
  readonly refcountTableOffset: number;
  readonly refcountTableClusters: number;
  readonly refcountBlockOffset: number;
  readonly refcountBlocks: number;
  /** Where the tail, and with it the file, ends. */
  readonly fileSize: number;
}

/** The L2 table of one segment. */
export interface L2Position {
  readonly segment: number;
  readonly offset: number;
}

const entriesPerCluster = clusterSize / 8;

/**
 * Lays out a tail that starts at `offset`, a multiple of the cluster size.
 *
 * @throws {VmbError} `qcow2.too-large` when the file outgrows the largest refcount table
 */
export function layTail(offset: number, l1Size: number): Tail {
  const clustersBefore = offset / clusterSize + Math.ceil(l1Size / entriesPerCluster);
  let refcountBlocks = Math.ceil((clustersBefore + 2) / refcountsPerBlock);
  let refcountTableClusters = Math.ceil(refcountBlocks / entriesPerCluster);
  // Table and blocks are counted too: their own clusters may need yet another block.
  while (clustersBefore + refcountTableClusters + refcountBlocks > coveredBy(refcountBlocks)) {
    refcountBlocks += 1;
    refcountTableClusters = Math.ceil(refcountBlocks / entriesPerCluster);
  }
  if (refcountTableClusters * clusterSize > maxRefcountTableBytes) {
    throw new VmbError(
      `Layout of the image failed: file of ${clustersBefore * clusterSize} bytes: at most ` +
        `${coveredBy(maxRefcountTableBytes / 8) * clusterSize} have room in a refcount table`,
      { code: "qcow2.too-large" },
    );
  }
  const refcountTableOffset = clustersBefore * clusterSize;
  const refcountBlockOffset = refcountTableOffset + refcountTableClusters * clusterSize;
  return {
    offset,
    l1Size,
    l1TableOffset: l1Size === 0 ? 0 : offset,
    refcountTableOffset,
    refcountTableClusters,
    refcountBlockOffset,
    refcountBlocks,
    fileSize: refcountBlockOffset + refcountBlocks * clusterSize,
  };
}

/** Yields the clusters of a tail in file order; `l2Tables` are in order of their segments. */
export function* tailChunks(
  tail: Tail,
  l2Tables: Iterable<L2Position>,
  refcounts: Refcounts,
): Generator<Chunk> {
  yield* l1Chunks(tail, l2Tables);
  for (let first = 0; first < tail.refcountTableClusters; first++) {
    const { chunk, table } = emptyTable(tail.refcountTableOffset + first * clusterSize);
    const start = first * entriesPerCluster;
    const end = Math.min(start + entriesPerCluster, tail.refcountBlocks);
    for (let index = start; index < end; index++) {
      setOffset(table, index - start, tail.refcountBlockOffset + index * clusterSize);
    }
    yield chunk;
  }
  for (let index = 0; index < tail.refcountBlocks; index++) {
    const offset = tail.refcountBlockOffset + index * clusterSize;
    yield { offset, bytes: refcounts.block(index) };
  }
}

function* l1Chunks(tail: Tail, l2Tables: Iterable<L2Position>): Generator<Chunk> {
  const positions = l2Tables[Symbol.iterator]();
  let next = positions.next();
  const end = roundUp(tail.l1Size, entriesPerCluster);
  for (let start = 0; start < end; start += entriesPerCluster) {
    const { chunk, table } = emptyTable(tail.l1TableOffset + start * 8);
    while (!next.done && next.value.segment < start + entriesPerCluster) {
      setEntry(table, next.value.segment - start, next.value.offset);
      next = positions.next();
    }
    yield chunk;
  }
}

function emptyTable(offset: number): { readonly chunk: Chunk; readonly table: DataView } {
  const bytes = new Uint8Array(clusterSize);
  return { chunk: { offset, bytes }, table: new DataView(bytes.buffer) };
}

/** Clusters of the file whose refcounts fit into so many blocks. */
function coveredBy(refcountBlocks: number): number {
  return refcountBlocks * refcountsPerBlock;
}
