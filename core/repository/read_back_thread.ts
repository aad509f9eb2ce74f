import { createHash } from "node:crypto";
import { reportError } from "../copy/thread_error.ts";
import { openSource } from "../sys/files.ts";
import type { ThreadScope } from "../sys/thread.ts";
import type { ReadBackMessage, ReadBackStart } from "./read_back.ts";

const pieceSize = 1024 * 1024;
const progressEvery = 64;

/** The entry of a read-back thread: hashes one file from the disk it lies on. */
export function readBackThread(scope: ThreadScope): void {
  const post = (message: ReadBackMessage) => scope.post(message);
  scope.onMessage((data) => {
    const start = data as ReadBackStart;
    hashFile(start, (done) => post({ kind: "progress", done })).then(
      post,
      (error) => post({ kind: "failed", error: reportError(error, `Read of "${start.path}"`) }),
    );
  });
}

async function hashFile(
  { path, sentHeader }: ReadBackStart,
  onProgress: (done: number) => void,
): Promise<ReadBackMessage> {
  const source = await openSource(path);
  try {
    const file = createHash("sha256");
    const stream = sentHeader && createHash("sha256").update(sentHeader);
    const buffer = new Uint8Array(pieceSize);
    let offset = 0;
    for (let pieces = 1;; pieces++) {
      const count = source.readAt(buffer, offset);
      if (count === 0) break;
      file.update(buffer.subarray(0, count));
      const skip = Math.max(0, (sentHeader?.length ?? 0) - offset);
      if (skip < count) stream?.update(buffer.subarray(skip, count));
      offset += count;
      if (pieces % progressEvery === 0) onProgress(offset);
    }
    const sha256 = file.digest("hex");
    return { kind: "done", size: offset, sha256, streamSha256: stream?.digest("hex") ?? sha256 };
  } finally {
    source.close();
  }
}
