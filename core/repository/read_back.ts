import { type ErrorReport, revive } from "../sys/thread_error.ts";
import { dropCache } from "../copy/write_behind.ts";
import { VmbError } from "../error.ts";
import type { System } from "../sys/system.ts";
import { startThread } from "../sys/thread.ts";

export interface ReadBackStart {
  readonly path: string;
  /** First bytes as they were once sent, when others took their place. */
  readonly sentHeader: Uint8Array<ArrayBuffer> | undefined;
}

export type ReadBackMessage =
  | { readonly kind: "progress"; readonly done: number }
  | ({ readonly kind: "done" } & ReadBack)
  | { readonly kind: "failed"; readonly error: ErrorReport };

/** What a file says when it is read again. */
export interface ReadBack {
  /** Bytes. */
  readonly size: number;
  readonly sha256: string;
  /** SHA-256 with the first bytes that were sent; `sha256` when none were replaced. */
  readonly streamSha256: string;
}

export interface ReadBackOptions {
  readonly sentHeader?: Uint8Array<ArrayBuffer> | undefined;
  /** Drop this machine's cache of the file first, so that the answer comes from where it is kept. */
  readonly dropCache: boolean;
  /** The share may go without giving anything for this long, in milliseconds; default 5 minutes. */
  readonly stallMs?: number;
  readonly signal: AbortSignal;
  readonly onProgress?: (done: number) => void;
}

/**
 * Reads a file once and hashes it, on a thread of its own.
 *
 * @throws {VmbError} `copy.failed` with the system's reason; the signal's reason when aborted
 */
export async function readBack(
  { processes }: Pick<System, "processes">,
  path: string,
  { sentHeader, dropCache: fromStorage, signal, onProgress, stallMs = 300_000 }: ReadBackOptions,
): Promise<ReadBack> {
  signal.throwIfAborted();
  if (fromStorage) await dropCache({ processes }, path, signal);
  const { promise, resolve, reject } = Promise.withResolvers<ReadBack>();
  const late = () =>
    reject(
      new VmbError(`Read of "${path}" made no progress for ${stallMs / 1000} s`, {
        code: "share.stalled",
        hint: "The NFS server hangs: look at it, then at dmesg on this machine",
      }),
    );
  let stall = setTimeout(late, stallMs);
  const thread = startThread("readback", {
    onMessage(data) {
      const message = data as ReadBackMessage;
      switch (message.kind) {
        case "progress":
          clearTimeout(stall);
          stall = setTimeout(late, stallMs);
          return onProgress?.(message.done);
        case "done":
          return resolve(message);
        case "failed":
          return reject(revive(message.error));
      }
    },
    onError: reject,
  });
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    thread.post({ path, sentHeader } satisfies ReadBackStart);
    const { size, sha256, streamSha256 } = await promise;
    return { size, sha256, streamSha256 };
  } finally {
    clearTimeout(stall);
    signal.removeEventListener("abort", abort);
    thread.terminate();
  }
}
