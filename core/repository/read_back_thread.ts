import { createHash } from "node:crypto";
import { createClusterDigest } from "../block_map/cluster_digest.ts";
import { FileDigest, stretchSize } from "../block_map/file_digest.ts";
import { reportError } from "../sys/thread_error.ts";
import { Growth, openPastCache, readAhead } from "../sys/past_cache.ts";
import { standBack, type ThreadScope } from "../sys/thread.ts";
import type { ReadBackCommand, ReadBackMessage, ReadBackStart } from "./read_back.ts";

/** The entry of a read-back thread: hashes one file from where it is kept. */
export function readBackThread(scope: ThreadScope): void {
  const post = (message: ReadBackMessage) => scope.post(message);
  let growth: Growth | undefined;
  scope.onMessage((data) => {
    const message = data as ReadBackCommand;
    if (message.kind === "grown") {
      if (message.upTo === Number.POSITIVE_INFINITY) standBack(false);
      growth?.grow(message.upTo);
      return;
    }
    if (message.upTo !== Number.POSITIVE_INFINITY) standBack(true);
    growth = new Growth(message.upTo);
    hashFile(message, growth, (done) => post({ kind: "progress", done })).then(
      post,
      (error) => post({ kind: "failed", error: reportError(error, `Read of "${message.path}"`) }),
    );
  });
}

async function hashFile(
  { path, seed, past, below }: ReadBackStart,
  growth: Growth,
  onProgress: (done: number) => void,
): Promise<ReadBackMessage> {
  const hash = createHash("sha256");
  const digest = seed === undefined ? undefined : new FileDigest(await createClusterDigest(seed));
  const growing = growth.upTo !== Number.POSITIVE_INFINITY;
  const source = await openPastCache(path, { past, growing, below });
  let size = 0;
  for await (const piece of readAhead(source, stretchSize, growth)) {
    hash.update(piece);
    digest?.add(piece);
    size += piece.length;
    onProgress(size);
  }
  return { kind: "done", size, sha256: hash.digest("hex"), digests: digest?.finish() };
}
