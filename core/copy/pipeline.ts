import { VmbError } from "../error.ts";
import type { Clock } from "../sys/clock.ts";
import { startThread, type Thread } from "../sys/thread.ts";
import type { Compression } from "../qcow2/layout.ts";
import {
  chunkSize,
  type DigestStart,
  type ReadChunk,
  type StoredImage,
  type StoreMessage,
  type StoreStart,
} from "./messages.ts";
import { revive } from "../sys/thread_error.ts";

export interface PipelineOptions {
  readonly store: Omit<StoreStart, "kind" | "inputs">;
  readonly compression: Compression;
  /** Threads that hash, and compress if asked. */
  readonly digestThreads: number;
  /** Buffers of one chunk each: all memory that the data of one disk takes. */
  readonly buffers: number;
  /** The share may go without storing anything for this long, in milliseconds, before it counts as hung. */
  readonly stallMs: number;
  readonly clock: Clock;
  readonly onStored: (guestClusters: number) => void;
}

/**
 * The threads of one disk's copy, seen from the thread that reads: digest threads side by side, then one
 * store thread. Buffers go round, and their number bounds how far reading runs ahead of the share.
 */
export class Pipeline {
  readonly #digests: readonly Thread[];
  readonly #store: Thread;
  readonly #free: ArrayBuffer[];
  readonly #waiting: PromiseWithResolvers<ArrayBuffer>[] = [];
  readonly #done = Promise.withResolvers<StoredImage>();
  readonly #options: PipelineOptions;
  readonly #watch: ReturnType<typeof setInterval>;
  #sent = 0;
  #lastStored: number;
  #inside = 0;
  #failure: Error | undefined;

  constructor(options: PipelineOptions) {
    const { store, compression, digestThreads, buffers, clock, stallMs } = options;
    this.#options = options;
    this.#lastStored = clock.monotonic();
    this.#free = Array.from({ length: buffers }, () => new ArrayBuffer(chunkSize));
    this.#done.promise.catch(() => {});
    const onError = (error: VmbError) => this.fail(error);
    this.#store = startThread("store", {
      onMessage: (message) => this.#onStore(message as StoreMessage),
      onError,
    });
    const channels = Array.from({ length: digestThreads }, () => new MessageChannel());
    this.#digests = channels.map(({ port1 }) => {
      const thread = startThread("digest", { onMessage: () => {}, onError });
      thread.post({ kind: "start", compression, next: port1 } satisfies DigestStart, [port1]);
      return thread;
    });
    const inputs = channels.map(({ port2 }) => port2);
    this.#store.post({ kind: "start", ...store, inputs } satisfies StoreStart, inputs);
    this.#watch = setInterval(() => this.#checkStall(), Math.min(1000, stallMs));
  }

  /** Waits for a buffer that no chunk occupies. */
  takeBuffer(): Promise<ArrayBuffer> {
    if (this.#failure) return Promise.reject(this.#failure);
    // From here on the source owes its bytes, and then the share.
    if (this.#inside++ === 0) this.#lastStored = this.#options.clock.monotonic();
    const buffer = this.#free.pop();
    if (buffer) return Promise.resolve(buffer);
    const waiting = Promise.withResolvers<ArrayBuffer>();
    this.#waiting.push(waiting);
    return waiting.promise;
  }

  /** Sends a chunk on its way; its buffer comes back by itself. */
  send(chunk: Omit<ReadChunk, "kind">): void {
    if (this.#failure) return;
    const thread = this.#digests[this.#sent++ % this.#digests.length];
    thread?.post({ kind: "chunk", ...chunk } satisfies ReadChunk, [chunk.buffer]);
  }

  /** Ends the image after `chunks` chunks, and resolves when it is durable. */
  finish(chunks: number): Promise<StoredImage> {
    this.#store.post({ kind: "end", chunks });
    this.#inside++;
    this.#lastStored = this.#options.clock.monotonic();
    return this.#done.promise;
  }

  /** Gives up: whoever waits for a buffer or for the end gets `error`. */
  fail(error: Error): void {
    if (this.#failure) return;
    this.#failure = error;
    this.#done.reject(error);
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }

  /** Ends the threads, wherever they are. */
  close(): void {
    clearInterval(this.#watch);
    for (const thread of [this.#store, ...this.#digests]) thread.terminate();
  }

  #onStore(message: StoreMessage): void {
    switch (message.kind) {
      case "stored": {
        this.#inside--;
        this.#lastStored = this.#options.clock.monotonic();
        const waiting = this.#waiting.shift();
        if (waiting) waiting.resolve(message.buffer);
        else this.#free.push(message.buffer);
        this.#options.onStored(message.guestClusters);
        return;
      }
      case "done":
        this.#inside = 0;
        this.#done.resolve(message.result);
        return;
      case "failed":
        this.fail(revive(message.error));
    }
  }

  #checkStall(): void {
    const { clock, stallMs, store } = this.#options;
    if (this.#inside === 0 || clock.monotonic() - this.#lastStored < stallMs) return;
    this.fail(
      new VmbError(`Copy to "${store.imagePath}" made no progress for ${stallMs / 1000} s`, {
        code: "share.stalled",
        hint:
          "The NFS server, or the disk of the VM, hangs: look at both, then at dmesg on this machine",
      }),
    );
  }
}
