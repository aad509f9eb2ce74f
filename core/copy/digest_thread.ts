import { hash } from "node:crypto";
import { constants, zstdCompressSync } from "node:zlib";
import type { ThreadScope } from "../sys/thread.ts";
import { clusterSize } from "../qcow2/cluster.ts";
import type { Compression } from "../qcow2/layout.ts";
import type { DigestedChunk, DigestStart, ReadChunk } from "./messages.ts";

/** The entry of a digest thread: judges each cluster of the chunks that it gets, and passes them on. */
export function digestThread(scope: ThreadScope): void {
  let start: DigestStart | undefined;
  scope.onMessage((data) => {
    const message = data as DigestStart | ReadChunk;
    if (message.kind === "start") {
      start = message;
      return;
    }
    if (start === undefined) return;
    const digested = digest(message, start.compression);
    start.next.postMessage(digested, [
      digested.buffer,
      digested.stored.buffer,
      digested.digests.buffer,
    ]);
  });
}

function digest(chunk: ReadChunk, compression: Compression): DigestedChunk {
  const { clusters, buffer } = chunk;
  const data = new Uint8Array(buffer);
  const stored = new Uint32Array(clusters);
  const digests = new Uint8Array(clusters * 32);
  // What is stored moves to the front: it never outgrows the clusters that were looked at.
  let end = 0;
  for (let index = 0; index < clusters; index++) {
    const start = index * clusterSize;
    if (isZero(buffer, start)) continue;
    const cluster = data.subarray(start, start + clusterSize);
    digests.set(hash("sha256", cluster, "buffer"), index * 32);
    const small = compression === "none" ? undefined : compress(cluster);
    if (small !== undefined && small.length < clusterSize) data.set(small, end);
    else if (end < start) data.copyWithin(end, start, start + clusterSize);
    stored[index] = Math.min(small?.length ?? clusterSize, clusterSize);
    end += stored[index] ?? 0;
  }
  return { ...chunk, stored, digests };
}

/** Data that is not zero shows it in its first words; only zeros are read to the end. */
function isZero(buffer: ArrayBuffer, offset: number): boolean {
  const words = new Int32Array(buffer, offset, clusterSize / 4);
  for (let index = 0; index < words.length; index++) {
    if (words[index] !== 0) return false;
  }
  return true;
}

function compress(cluster: Uint8Array): Uint8Array {
  return zstdCompressSync(cluster, { params: { [constants.ZSTD_c_compressionLevel]: 3 } });
}
