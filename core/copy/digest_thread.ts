import { constants, zstdCompressSync } from "node:zlib";
import {
  type ClusterDigest,
  createClusterDigest,
  digestLength,
} from "../block_map/cluster_digest.ts";
import type { ThreadScope } from "../sys/thread.ts";
import { clusterBits, clusterSize } from "../qcow2/cluster.ts";
import type { Compression } from "../qcow2/layout.ts";
import { type DigestedChunk, type DigestStart, type ReadChunk, verdicts } from "./messages.ts";

/** The entry of a digest thread: judges each cluster of the chunks that it gets, and passes them on. */
export function digestThread(scope: ThreadScope): void {
  let ready: Promise<(chunk: ReadChunk) => void> | undefined;
  scope.onMessage((data) => {
    const message = data as DigestStart | ReadChunk;
    if (message.kind === "start") ready = prepare(message);
    else ready?.then((work) => work(message));
  });
}

async function prepare(
  { seed, compression, next }: DigestStart,
): Promise<(chunk: ReadChunk) => void> {
  const hasher = await createClusterDigest(seed);
  let busyMs = 0;
  return (chunk) => {
    const since = performance.now();
    const judged = judge(chunk, hasher, compression);
    busyMs += performance.now() - since;
    next.postMessage({ ...judged, busyMs } satisfies DigestedChunk, [
      judged.buffer,
      judged.verdicts.buffer,
      judged.stored.buffer,
      judged.digests.buffer,
    ]);
  };
}

function judge(
  chunk: ReadChunk,
  hasher: ClusterDigest,
  compression: Compression,
): Omit<DigestedChunk, "busyMs"> {
  const { clusters, buffer } = chunk;
  const data = new Uint8Array(buffer);
  const judged = new Uint8Array(clusters);
  const stored = new Uint32Array(clusters);
  const digests = new Uint8Array(clusters * digestLength);
  // What is stored moves to the front: it never outgrows the clusters that were looked at.
  let end = 0;
  for (let index = 0; index < clusters; index++) {
    const start = index * clusterSize;
    if (isZero(buffer, start)) continue;
    judged[index] = verdicts.data;
    const cluster = data.subarray(start, start + clusterSize);
    digests.set(hasher.of(cluster), index * digestLength);
    const small = compression === "none" ? undefined : compress(cluster);
    if (small !== undefined && small.length < clusterSize) data.set(small, end);
    else if (end < start) data.copyWithin(end, start, start + clusterSize);
    const length = Math.min(small?.length ?? clusterSize, clusterSize);
    stored[index] = length;
    end += length;
  }
  return { ...chunk, verdicts: judged, stored, digests };
}

/** Data that is not zero shows it in its first words; only zeros are read to the end. */
function isZero(buffer: ArrayBuffer, offset: number): boolean {
  const words = new Int32Array(buffer, offset, clusterSize / 4);
  for (let index = 0; index < words.length; index++) {
    if (words[index] !== 0) return false;
  }
  return true;
}

/**
 * Level 3 with tables of the size that one cluster can use, and room for the whole frame at once: each call makes
 * them anew.
 */
const zstd = {
  pledgedSrcSize: clusterSize,
  chunkSize: clusterSize + 512,
  params: {
    [constants.ZSTD_c_compressionLevel]: 3,
    [constants.ZSTD_c_windowLog]: clusterBits,
    [constants.ZSTD_c_hashLog]: clusterBits - 1,
    [constants.ZSTD_c_chainLog]: clusterBits - 2,
  },
} as const;

function compress(cluster: Uint8Array): Uint8Array {
  return zstdCompressSync(cluster, zstd);
}
