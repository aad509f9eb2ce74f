import type { ThreadScope } from "../sys/thread.ts";
import { ImageWriter } from "./image_writer.ts";
import type { DigestedChunk, StoreEnd, StoreMessage, StoreStart } from "./messages.ts";
import { reportError } from "../sys/thread_error.ts";

/**
 * The entry of the store thread: puts digested chunks in order, and writes and hashes the image and its
 * block map. It is the only one that touches the share during a copy, so it may block there.
 */
export function storeThread(scope: ThreadScope): void {
  let writer: ImageWriter | undefined;
  let action = "Write of the image";
  let expected = Number.POSITIVE_INFINITY;
  let failed = false;
  let next = 0;
  const waiting = new Map<number, DigestedChunk>();
  const post = (message: StoreMessage, transfer: Transferable[] = []) =>
    scope.post(message, transfer);

  const guarded = (work: () => void) => {
    try {
      work();
    } catch (error) {
      failed = true;
      post({ kind: "failed", error: reportError(error, action) });
    }
  };
  const advance = () => {
    if (writer === undefined || failed) return;
    for (let chunk = waiting.get(next); chunk; chunk = waiting.get(next)) {
      waiting.delete(next++);
      writer.add(chunk);
      post({ kind: "stored", buffer: chunk.buffer, guestClusters: chunk.clusters }, [chunk.buffer]);
    }
    if (next === expected) post({ kind: "done", result: writer.finish() });
  };

  scope.onMessage((data) => {
    const message = data as StoreStart | StoreEnd;
    if (message.kind === "end") {
      guarded(() => {
        expected = message.chunks;
        advance();
      });
      return;
    }
    action = `Write of "${message.imagePath}"`;
    for (const input of message.inputs) {
      input.onmessage = (event) =>
        guarded(() => {
          const chunk = event.data as DigestedChunk;
          waiting.set(chunk.sequence, chunk);
          advance();
        });
    }
    ImageWriter.create(message).then((created) => {
      writer = created;
      guarded(advance);
    }, (error) => post({ kind: "failed", error: reportError(error, action) }));
  });
}
