import type { Seed } from "../block_map/cluster_digest.ts";
import { stretchSize } from "../block_map/file_digest.ts";
import { type ErrorReport, revive } from "../sys/thread_error.ts";
import { dropCache } from "../copy/write_behind.ts";
import { VmbError } from "../error.ts";
import type { Below } from "../sys/files.ts";
import type { System } from "../sys/system.ts";
import { startThread, type Thread } from "../sys/thread.ts";

export interface ReadBackStart extends Below {
  readonly kind: "start";
  readonly path: string;
  readonly seed: Seed | undefined;
  readonly past: boolean;
  /** Bytes that may be read so far; infinite for a file that is complete. */
  readonly upTo: number;
}

/** main -> read-back thread. */
export type ReadBackCommand = ReadBackStart | { readonly kind: "grown"; readonly upTo: number };

export type ReadBackMessage =
  | { readonly kind: "progress"; readonly done: number }
  | ({ readonly kind: "done" } & ReadBack)
  | { readonly kind: "failed"; readonly error: ErrorReport };

/** What a file says when it is read again. */
export interface ReadBack {
  /** Bytes. */
  readonly size: number;
  readonly sha256: string;
  /** Its digests (see `FileDigest`), if a seed was given. */
  readonly digests: Uint8Array | undefined;
}

export interface ReadBackOptions extends Below {
  /** For the digests that are compared with those of what was sent. */
  readonly seed?: Seed;
  /** Read past this machine's cache of the file, so that the answer comes from where it is kept. */
  readonly dropCache: boolean;
  /** The share may go without giving anything for this long, in milliseconds; default 5 minutes. */
  readonly stallMs?: number;
  readonly signal: AbortSignal;
}

/** Bytes between two words of progress. */
const progressBytes = 64 * 1024 ** 2;

/**
 * Reads a file once and hashes it, on a thread of its own.
 *
 * @throws {VmbError} `copy.failed` with the system's reason, `share.stalled`; the signal's reason when aborted
 */
export async function readBack(
  system: Pick<System, "processes">,
  path: string,
  { onProgress, ...options }: ReadBackOptions & { readonly onProgress?: (done: number) => void },
): Promise<ReadBack> {
  using reading = new ReadingBack(system, path, options);
  return await reading.complete(onProgress);
}

/**
 * A file that is read back, perhaps while it is still being written: what is durable of it, in order. It holds
 * nothing up; to be disposed of.
 */
export class ReadingBack {
  readonly #system: Pick<System, "processes">;
  readonly #path: string;
  readonly #options: ReadBackOptions;
  readonly #done = Promise.withResolvers<ReadBack>();
  readonly #abort: () => void;
  #thread: Thread | undefined;
  #stall: ReturnType<typeof setTimeout> | undefined;
  #upTo = 0;
  #read = 0;
  #told = 0;
  #onProgress: ((done: number) => void) | undefined;

  constructor(system: Pick<System, "processes">, path: string, options: ReadBackOptions) {
    this.#system = system;
    this.#path = path;
    this.#options = options;
    // An error may come before anybody waits for the end.
    this.#done.promise.catch(() => {});
    this.#abort = () => this.#done.reject(options.signal.reason);
    options.signal.addEventListener("abort", this.#abort, { once: true });
  }

  /** The file is durable up to there, in bytes, and no byte before it changes. */
  durable(upTo: number): void {
    this.#upTo = upTo;
    if (this.#thread) this.#thread.post({ kind: "grown", upTo } satisfies ReadBackCommand);
    else this.#thread = this.#start(upTo);
    this.#watch();
  }

  /**
   * The whole file is there: reads what is left of it.
   *
   * @param onProgress is told the bytes read so far
   * @throws {VmbError} as `readBack`
   */
  async complete(onProgress?: (done: number) => void): Promise<ReadBack> {
    this.#onProgress = onProgress;
    const { signal, dropCache: fromStorage } = this.#options;
    signal.throwIfAborted();
    if (fromStorage) await dropCache(this.#system, this.#path, signal);
    this.durable(Number.POSITIVE_INFINITY);
    const { size, sha256, digests } = await this.#done.promise;
    return { size, sha256, digests };
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#stall);
    this.#options.signal.removeEventListener("abort", this.#abort);
    this.#thread?.terminate();
  }

  #start(upTo: number): Thread {
    const { seed, dropCache: past, below } = this.#options;
    const thread = startThread("readback", {
      onMessage: (message) => this.#onMessage(message as ReadBackMessage),
      onError: this.#done.reject,
    });
    const start: ReadBackCommand = { kind: "start", path: this.#path, seed, past, below, upTo };
    thread.post(start);
    return thread;
  }

  #onMessage(message: ReadBackMessage): void {
    switch (message.kind) {
      case "progress":
        this.#read = message.done;
        this.#watch();
        if (this.#read - this.#told < progressBytes) return;
        this.#told = this.#read;
        return this.#onProgress?.(this.#read);
      case "done":
        return this.#done.resolve(message);
      case "failed":
        return this.#done.reject(revive(message.error));
    }
  }

  /** The share owes bytes as long as there are any that may be read. */
  #watch(): void {
    const { stallMs = 300_000 } = this.#options;
    clearTimeout(this.#stall);
    if (this.#upTo - this.#read < stretchSize) return;
    this.#stall = setTimeout(() => {
      this.#done.reject(
        new VmbError(`Read of "${this.#path}" made no progress for ${stallMs / 1000} s`, {
          code: "share.stalled",
          hint: "The NFS server hangs: look at it, then at dmesg on this machine",
        }),
      );
    }, stallMs);
  }
}
