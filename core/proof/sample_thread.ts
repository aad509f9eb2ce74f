import { type BlockMapEntry, decodeBlockMap } from "../block_map/decoder.ts";
import { tableLength } from "../block_map/format.ts";
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

async function takeSample({ path, most, below }: SampleStart): Promise<SampleMessage> {
  const source = await openSource(path, { below });
  try {
    const map = decodeBlockMap(pieces(source));
    const total = countOf(source, map.virtualSize);
    const chosen: BlockMapEntry[] = [];
    let index = 0;
    let wanted = pick(0, total, most);
    for (const { cluster, digest } of map.entries) {
      if (index++ !== wanted) continue;
      chosen.push({ cluster, digest: digest.slice() });
      wanted = pick(chosen.length, total, most);
    }
    const { seed } = map;
    return { kind: "done", contentDigest: map.contentDigest(), seed, total: index, chosen };
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

/** The table tells it (format.ts); that it does not lie is known when all has been read. */
function countOf(source: Source, virtualSize: number): number {
  const head = new Uint8Array(24);
  source.readAt(head, Math.max(0, source.size - tableLength(virtualSize)));
  return Number(new DataView(head.buffer).getBigUint64(16));
}

function* pieces(source: Source): Generator<Uint8Array> {
  for (let offset = 0;;) {
    const buffer = new Uint8Array(pieceSize);
    const count = source.readAt(buffer, offset);
    if (count === 0) return;
    yield buffer.subarray(0, count);
    offset += count;
  }
}
