import { createHash } from "node:crypto";
import type { ThreadScope } from "../sys/thread.ts";
import type { HashedMessage, HashMessage } from "./messages.ts";

const zeros = new Uint8Array(1024 * 1024);

/** The entry of a hash thread: makes the SHA-256 of an image that nobody will read back, as it is sent. */
export function hashThread(scope: ThreadScope): void {
  const hash = createHash("sha256");
  const post = (message: HashedMessage, transfer: Transferable[] = []) =>
    scope.post(message, transfer);
  scope.onMessage((input) => {
    (input as MessagePort).onmessage = (event) => {
      const message = event.data as HashMessage;
      switch (message.kind) {
        case "sent": {
          const data = new Uint8Array(message.buffer ?? new ArrayBuffer(0));
          for (const part of message.parts) {
            hash.update("bytes" in part ? part.bytes : data.subarray(part.from, part.to));
          }
          if (message.buffer) post({ kind: "free", buffer: message.buffer }, [message.buffer]);
          return;
        }
        case "zeros":
          for (let left = message.length; left > 0; left -= zeros.length) {
            hash.update(zeros.subarray(0, left));
          }
          return;
        case "end":
          post({ kind: "done", sha256: hash.digest("hex") });
      }
    };
  });
}
