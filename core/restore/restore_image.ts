import { type ErrorReport, revive } from "../sys/thread_error.ts";
import { dropCache } from "../copy/write_behind.ts";
import { VmbError } from "../error.ts";
import type { Below } from "../sys/files.ts";
import type { System } from "../sys/system.ts";
import { startThread } from "../sys/thread.ts";

/** main -> restore thread: one image, below the share, and what becomes of it. */
export interface RestoreStart extends Below {
  readonly image: string;
  /** Bytes of the image file. */
  readonly size: number;
  readonly sha256: string;
  readonly target: string;
  /** `copy` takes the image's bytes as they are; the others unpack its clusters. */
  readonly form: "copy" | "qcow2" | "raw";
  /** Bytes that the guest sees. */
  readonly virtualSize: number;
  /** Folder of the share: below it no link is followed. */
  readonly below?: string | undefined;
}

/** restore thread -> main. `done` is in bytes of the image. */
export type RestoreMessage =
  | { readonly kind: "progress"; readonly done: number }
  | { readonly kind: "done" }
  | { readonly kind: "failed"; readonly error: ErrorReport };

export interface RestoreImageOptions extends RestoreStart {
  /** Neither the share nor the local disk may go longer without progress, in milliseconds. */
  readonly stallMs: number;
  readonly signal: AbortSignal;
  readonly onProgress: (done: number, total: number) => void;
}

/** Bytes read between two times that what was written is made durable. */
const flushBytes = 128 * 1024 ** 2;

/**
 * Reads an image of a backup once, front to back, this machine's cache of it dropped; compares all of its
 * bytes with their checksum, and writes what they hold to a local file that must not exist yet. The file is
 * durable when it resolves; on failure it is left as it is, for the caller to remove.
 *
 * @throws {VmbError} `restore.checksum` when the image is not what was backed up, `copy.failed` with the
 *   system's reason, `restore.stalled`; the signal's reason when aborted
 */
export async function restoreImage(
  system: Pick<System, "files" | "processes">,
  { stallMs, signal, onProgress, ...start }: RestoreImageOptions,
): Promise<void> {
  signal.throwIfAborted();
  await dropCache(system, start.image, signal);
  let flushed = 0;
  let flushing: Promise<void> | undefined;
  // Else most of the writing would be left to the last fsync, which nothing overlaps.
  const flush = (done: number) => {
    if (done - flushed < flushBytes || flushing !== undefined) return;
    flushed = done;
    flushing = system.files.syncFile(start.target).catch(() => {}).finally(() => {
      flushing = undefined;
    });
  };
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const late = () =>
    reject(
      new VmbError(
        `Restore of "${start.image}" to "${start.target}" made no progress for ${stallMs / 1000} s`,
        {
          code: "restore.stalled",
          hint: "The file server or the local disk hangs: look at both, then at dmesg",
        },
      ),
    );
  let stall = setTimeout(late, stallMs);
  const thread = startThread("restore", {
    onMessage(data) {
      const message = data as RestoreMessage;
      switch (message.kind) {
        case "progress":
          clearTimeout(stall);
          stall = setTimeout(late, stallMs);
          flush(message.done);
          return onProgress(message.done, start.size);
        case "done":
          return resolve();
        case "failed":
          return reject(revive(message.error));
      }
    },
    onError: reject,
  });
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    thread.post(start);
    await promise;
  } finally {
    clearTimeout(stall);
    signal.removeEventListener("abort", abort);
    thread.terminate();
    await flushing;
  }
}
