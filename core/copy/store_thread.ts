import type { ThreadScope } from "../sys/thread.ts";
import { ImageWriter } from "./image_writer.ts";
import type { DigestedChunk, HashMessage, StoreEnd, StoreMessage, StoreStart } from "./messages.ts";
import { reportError } from "../sys/thread_error.ts";

/**
 * The entry of the store thread: puts digested chunks in order, and writes the image and its block map. It is
 * the only one that writes to the share during a copy, so it may block there.
 */
export function storeThread(scope: ThreadScope): void {
  let start: StoreStart | undefined;
  let writer: ImageWriter | undefined;
  let action = "Write of the image";
  let expected = Number.POSITIVE_INFINITY;
  let failed = false;
  let next = 0;
  let storeMs = 0;
  const digestMs: number[] = [];
  const waiting = new Map<number, DigestedChunk>();
  const post = (message: StoreMessage, transfer: Transferable[] = []) =>
    scope.post(message, transfer);
  const hash = (message: HashMessage, transfer: Transferable[] = []) =>
    start?.hash?.postMessage(message, transfer);

  const guarded = (work: () => void) => {
    const since = performance.now();
    try {
      work();
    } catch (error) {
      failed = true;
      post({ kind: "failed", error: reportError(error, action) });
    }
    storeMs += performance.now() - since;
  };
  const stored = (writer: ImageWriter, { buffer, clusters }: DigestedChunk) => {
    const { position } = writer;
    const parts = writer.takeSent();
    if (start?.hash === undefined) {
      post({ kind: "stored", buffer, guestClusters: clusters, position }, [buffer]);
      return;
    }
    hash({ kind: "sent", parts, buffer }, [buffer]);
    post({ kind: "stored", buffer: undefined, guestClusters: clusters, position });
  };
  const advance = () => {
    if (writer === undefined || failed) return;
    const since = performance.now();
    for (let chunk = waiting.get(next); chunk; chunk = waiting.get(next)) {
      waiting.delete(next++);
      writer.add(chunk);
      stored(writer, chunk);
    }
    if (next !== expected) return;
    const result = writer.finish(hash);
    hash({ kind: "end" });
    const busy = {
      digestMs: Math.max(0, ...digestMs),
      storeMs: storeMs + performance.now() - since,
    };
    post({ kind: "done", result, busy });
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
    start = message;
    action = `Write of "${message.imagePath}"`;
    for (const [thread, input] of message.inputs.entries()) {
      input.onmessage = (event) =>
        guarded(() => {
          const chunk = event.data as DigestedChunk;
          digestMs[thread] = chunk.busyMs;
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
