import { VmbError } from "../error.ts";
import type { Clock } from "../sys/clock.ts";
import { startThread, type Thread } from "../sys/thread.ts";
import type { Compression } from "../qcow2/layout.ts";
import {
  type Busy,
  chunkSize,
  type DigestStart,
  type HashedMessage,
  type ReadChunk,
  type StoredImage,
  type StoreMessage,
  type StoreStart,
} from "./messages.ts";
import { revive } from "../sys/thread_error.ts";

export interface PipelineOptions {
  readonly store: Omit<StoreStart, "kind" | "inputs" | "hash">;
  readonly compression: Compression;
  /** Threads that hash, and compress if asked. */
  readonly digestThreads: number;
  /** Make the SHA-256 of the image as it is sent, on a thread of its own. */
  readonly checksum: boolean;
  /** Buffers of one chunk each: all memory that the data of one disk takes. */
  readonly buffers: number;
  /** The share may go without storing anything for this long, in milliseconds, before it counts as hung. */
  readonly stallMs: number;
  readonly clock: Clock;
  /** @param position bytes of the image so far */
  readonly onStored: (guestClusters: number, position: number) => void;
}

/** What came of a copy. */
export interface PipelineResult extends StoredImage {
  /** SHA-256 of the image, when it was asked for, and is that of what was sent. */
  readonly sha256: string | undefined;
  readonly busy: Busy;
}

/**
 * The threads of one disk's copy, seen from the thread that reads: digest threads side by side, then one
 * store thread, and one for the checksum of what that has sent. Buffers go round, and their number bounds how
 * far reading runs ahead of the share.
 */
export class Pipeline {
  readonly #digests: readonly Thread[];
  readonly #store: Thread;
  readonly #hash: Thread | undefined;
  readonly #free: ArrayBuffer[];
  readonly #waiting: PromiseWithResolvers<ArrayBuffer>[] = [];
  readonly #stored = Promise.withResolvers<Omit<PipelineResult, "sha256">>();
  readonly #hashed = Promise.withResolvers<string>();
  readonly #options: PipelineOptions;
  readonly #watch: ReturnType<typeof setInterval>;
  #sent = 0;
  #lastStored: number;
  #inside = 0;
  #reading = 0;
  #failure: Error | undefined;

  constructor(options: PipelineOptions) {
    const { store, compression, digestThreads, buffers, clock, stallMs } = options;
    this.#options = options;
    this.#lastStored = clock.monotonic();
    this.#free = Array.from({ length: buffers }, () => new ArrayBuffer(chunkSize));
    for (const { promise } of [this.#stored, this.#hashed]) promise.catch(() => {});
    const onError = (error: VmbError) => this.fail(error);
    this.#store = startThread("store", {
      onMessage: (message) => this.#onStore(message as StoreMessage),
      onError,
    });
    const channels = Array.from({ length: digestThreads }, () => new MessageChannel());
    this.#digests = channels.map(({ port1: next }) => {
      const thread = startThread("digest", { onMessage: () => {}, onError });
      const start: DigestStart = { kind: "start", compression, seed: store.seed, next };
      thread.post(start, [next]);
      return thread;
    });
    const inputs = channels.map(({ port2 }) => port2);
    const toHash = options.checksum ? new MessageChannel() : undefined;
    if (toHash !== undefined) {
      this.#hash = startThread("hash", {
        onMessage: (message) => this.#onHash(message as HashedMessage),
        onError,
      });
      this.#hash.post(toHash.port2, [toHash.port2]);
    }
    const hash = toHash?.port1;
    this.#store.post(
      { kind: "start", ...store, inputs, hash } satisfies StoreStart,
      [...inputs, ...hash ? [hash] : []],
    );
    this.#watch = setInterval(() => this.#checkStall(), Math.min(1000, stallMs));
  }

  /** Whether most of the buffers wait for the source's data, rather than for the share. */
  get waitsForSource(): boolean {
    return this.#reading * 2 > this.#options.buffers;
  }

  /** Waits for a buffer that no chunk occupies. */
  takeBuffer(): Promise<ArrayBuffer> {
    if (this.#failure) return Promise.reject(this.#failure);
    // From here on the source owes its bytes, and then the share.
    if (this.#inside++ === 0) this.#lastStored = this.#options.clock.monotonic();
    this.#reading++;
    const buffer = this.#free.pop();
    if (buffer) return Promise.resolve(buffer);
    const waiting = Promise.withResolvers<ArrayBuffer>();
    this.#waiting.push(waiting);
    return waiting.promise;
  }

  /** Sends a chunk on its way; its buffer comes back by itself. */
  send(chunk: Omit<ReadChunk, "kind">): void {
    this.#reading--;
    if (this.#failure) return;
    const thread = this.#digests[this.#sent++ % this.#digests.length];
    thread?.post({ kind: "chunk", ...chunk } satisfies ReadChunk, [chunk.buffer]);
  }

  /** Ends the image after `chunks` chunks, and resolves when it is durable. */
  async finish(chunks: number): Promise<PipelineResult> {
    this.#store.post({ kind: "end", chunks });
    this.#inside++;
    this.#lastStored = this.#options.clock.monotonic();
    const stored = await this.#stored.promise;
    const sha256 = this.#hash && await this.#hashed.promise;
    return { ...stored, sha256: stored.corrected ? undefined : sha256 };
  }

  /** Gives up: whoever waits for a buffer or for the end gets `error`. */
  fail(error: Error): void {
    if (this.#failure) return;
    this.#failure = error;
    this.#stored.reject(error);
    this.#hashed.reject(error);
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }

  /** Ends the threads, wherever they are. */
  close(): void {
    clearInterval(this.#watch);
    for (const thread of [this.#store, ...this.#digests]) thread.terminate();
    this.#hash?.terminate();
  }

  #onStore(message: StoreMessage): void {
    switch (message.kind) {
      case "stored":
        this.#inside--;
        this.#lastStored = this.#options.clock.monotonic();
        if (message.buffer) this.#release(message.buffer);
        this.#options.onStored(message.guestClusters, message.position);
        return;
      case "done":
        this.#inside = 0;
        this.#stored.resolve({ ...message.result, busy: message.busy });
        return;
      case "failed":
        this.fail(revive(message.error));
    }
  }

  #onHash(message: HashedMessage): void {
    if (message.kind === "free") this.#release(message.buffer);
    else this.#hashed.resolve(message.sha256);
  }

  #release(buffer: ArrayBuffer): void {
    const waiting = this.#waiting.shift();
    if (waiting) waiting.resolve(buffer);
    else this.#free.push(buffer);
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
