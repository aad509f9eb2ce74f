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
      ...(digested.packed ? [digested.packed.buffer] : []),
    ]);
  });
}

function digest(chunk: ReadChunk, compression: Compression): DigestedChunk {
  const { clusters, buffer } = chunk;
  const stored = new Uint32Array(clusters);
  const digests = new Uint8Array(clusters * 32);
  const parts: Uint8Array[] = [];
  for (let index = 0; index < clusters; index++) {
    if (isZero(buffer, index * clusterSize)) continue;
    const cluster = new Uint8Array(buffer, index * clusterSize, clusterSize);
    digests.set(hash("sha256", cluster, "buffer"), index * 32);
    stored[index] = clusterSize;
    if (compression === "none") continue;
    const small = compress(cluster);
    if (small.length >= clusterSize) continue;
    stored[index] = small.length;
    parts.push(small);
  }
  return { ...chunk, stored, digests, packed: parts.length === 0 ? undefined : concatenate(parts) };
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

function concatenate(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
