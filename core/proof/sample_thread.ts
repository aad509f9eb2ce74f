import { createHash } from "node:crypto";
import { type BlockMapEntry, decodeBlockMap } from "../copy/block_map.ts";
import { reportError } from "../sys/thread_error.ts";
import { openSource, type Source } from "../sys/files.ts";
import type { ThreadScope } from "../sys/thread.ts";
import type { SampleMessage, SampleStart } from "./sample.ts";

const pieceSize = 1024 * 1024;

/** The entry of a sampling thread: reads one block map from the share, and chooses clusters from it. */
export function sampleThread(scope: ThreadScope): void {
  const post = (message: SampleMessage) => scope.post(message);
  scope.onMessage((data) => {
    const start = data as SampleStart;
    takeSample(start).then(
      post,
      (error) => post({ kind: "failed", error: reportError(error, `Read of "${start.path}"`) }),
    );
  });
}

async function takeSample({ path, most }: SampleStart): Promise<SampleMessage> {
  const source = await openSource(path);
  try {
    const hash = createHash("sha256");
    const map = decodeBlockMap(pieces(source, (piece) => hash.update(piece)));
    const total = countOf(source);
    const chosen: BlockMapEntry[] = [];
    let index = 0;
    let wanted = pick(0, total, most);
    for (const { cluster, digest } of map.entries) {
      if (index++ !== wanted) continue;
      chosen.push({ cluster, digest: digest.slice() });
      wanted = pick(chosen.length, total, most);
    }
    return { kind: "done", sha256: hash.digest("hex"), total: index, chosen };
  } finally {
    source.close();
  }
}

/** Index of the n-th cluster of the sample: one at random from each of `most` equal parts of the data. */
export function pick(n: number, total: number, most: number): number {
  if (total <= most) return n;
  const from = Math.floor(n * total / most);
  const to = Math.floor((n + 1) * total / most);
  return from + Math.floor(Math.random() * (to - from));
}

/** The trailer tells it (see `BlockMap`); that it does not lie is known when all has been read. */
function countOf(source: Source): number {
  const trailer = new Uint8Array(64);
  source.readAt(trailer, Math.max(0, source.size - 64));
  return Number(new DataView(trailer.buffer).getBigUint64(16));
}

function* pieces(source: Source, onPiece: (piece: Uint8Array) => void): Generator<Uint8Array> {
  for (let offset = 0;;) {
    const buffer = new Uint8Array(pieceSize);
    const count = source.readAt(buffer, offset);
    if (count === 0) return;
    const piece = buffer.subarray(0, count);
    onPiece(piece);
    yield piece;
    offset += count;
  }
}
