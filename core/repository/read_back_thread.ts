import { createHash } from "node:crypto";
import { reportError } from "../sys/thread_error.ts";
import { readPieces } from "../sys/files.ts";
import type { ThreadScope } from "../sys/thread.ts";
import type { ReadBackMessage, ReadBackStart } from "./read_back.ts";

const pieceSize = 1024 * 1024;
const progressBytes = 64 * pieceSize;

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
  const file = createHash("sha256");
  const stream = sentHeader && createHash("sha256").update(sentHeader);
  let size = 0;
  let told = 0;
  for await (const piece of readPieces(path, pieceSize)) {
    file.update(piece);
    const skip = Math.max(0, (sentHeader?.length ?? 0) - size);
    if (skip < piece.length) stream?.update(piece.subarray(skip));
    size += piece.length;
    if (size - told < progressBytes) continue;
    told = size;
    onProgress(size);
  }
  const sha256 = file.digest("hex");
  return { kind: "done", size, sha256, streamSha256: stream?.digest("hex") ?? sha256 };
}
