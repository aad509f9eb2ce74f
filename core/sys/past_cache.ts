import { constants } from "node:fs";
import { type Below, withEntry, withRegular } from "./below.ts";

/** A file that is read with several requests in flight. */
export interface AheadSource {
  /** Fills `buffer` from `position`, or as much as the file has; resolves to the count of bytes. */
  read(buffer: Uint8Array, position: number): Promise<number>;
  close(): void;
}

export interface PastCacheOptions extends Below {
  /**
   * `false` reads through this machine's cache; whoever wants the bytes from where they are kept has then
   * dropped it before.
   */
  readonly past: boolean;
  /** The file is still being written, through the cache. */
  readonly growing: boolean;
}

/** Linux, O_DIRECT: the same on all machines that run KVM (open(2)). */
const direct = 0o40000;

/** `f_type` of NFS (statfs(2)). */
const nfs = 0x6969;

/** Offsets and lengths that each file system takes for direct reading. */
const alignment = 4096;

/**
 * Opens a file for reading past the cache: from where it is kept, and without a trace in memory. Where the file
 * system takes no direct reading it goes through the cache.
 *
 * NFS makes each direct read of a file wait for all that was written to it through the cache, and the writers
 * for it (fs/nfs/io.c): a file that grows is read through the cache there.
 */
export async function openPastCache(
  path: string,
  { past, growing, below }: PastCacheOptions,
): Promise<AheadSource> {
  const fs = await import("node:fs");
  let isDirect = past;
  const openDirect = (at: string) => {
    isDirect &&= !(growing && fs.statfsSync(at).type === nfs);
    try {
      return fs.openSync(at, constants.O_RDONLY | (isDirect ? direct : 0));
    } catch (error) {
      if (!isDirect || !isRefusal(error)) throw error;
      isDirect = false;
      return fs.openSync(at, constants.O_RDONLY);
    }
  };
  let file = below === undefined ? openDirect(path) : await withEntry(
    path,
    { below },
    ({ entry }) => withRegular(entry, path, (at) => Promise.resolve(openDirect(at))),
  );
  const refused: number[] = [];
  const readSome = async (buffer: Uint8Array, position: number): Promise<number> => {
    const wasDirect = isDirect;
    try {
      return await readOnce(file, buffer, position);
    } catch (error) {
      if (!wasDirect || !isRefusal(error)) throw error;
    }
    if (isDirect) {
      isDirect = false;
      // It stays open: other reads may be on their way.
      refused.push(file);
      file = fs.openSync(`/proc/self/fd/${file}`, constants.O_RDONLY);
    }
    return await readOnce(file, buffer, position);
  };
  const readOnce = (file: number, buffer: Uint8Array, position: number) => {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    fs.read(file, buffer, 0, buffer.length, position, (error, count) => {
      if (error) reject(error);
      else resolve(count);
    });
    return promise;
  };
  return {
    async read(buffer, position) {
      for (let done = 0;;) {
        const count = await readSome(buffer.subarray(done), position + done);
        done += count;
        // Beyond the end of a file, which lies anywhere, a direct read would be refused.
        const isEnd = count === 0 || isDirect && done % alignment !== 0;
        if (isEnd || done === buffer.length) return done;
      }
    },
    close() {
      for (const each of [file, ...refused]) fs.closeSync(each);
    },
  };
}

function isRefusal(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === "EINVAL";
}

/** How far a file has come that is read while it grows. */
export class Growth {
  #upTo: number;
  #changed = Promise.withResolvers<void>();

  /** @param upTo bytes that may be read; infinite for a file that is complete */
  constructor(upTo: number) {
    this.#upTo = upTo;
  }

  get upTo(): number {
    return this.#upTo;
  }

  grow(upTo: number): void {
    this.#upTo = Math.max(this.#upTo, upTo);
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  /** Resolves when it has grown again. */
  change(): Promise<void> {
    return this.#changed.promise;
  }
}

const buffers = 3;

/**
 * Reads a file front to back, as far as it has grown, until its end. While one piece is worked on, the next ones
 * are on their way: a piece is valid until the one after it is asked for.
 *
 * @param pieceSize bytes of each piece but the last, a multiple of 64 KiB
 */
export async function* readAhead(
  source: AheadSource,
  pieceSize: number,
  growth: Growth,
): AsyncGenerator<Uint8Array> {
  // The memory of WebAssembly begins at a page, as direct reading wants it.
  const pages = buffers * pieceSize / 65_536;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const reading: Promise<number>[] = [];
  let asked = 0;
  const ask = () => {
    const buffer = new Uint8Array(memory.buffer, asked % buffers * pieceSize, pieceSize);
    const pending = source.read(buffer, asked++ * pieceSize);
    pending.catch(() => {});
    reading.push(pending);
  };
  try {
    for (let index = 0;;) {
      while (reading.length < buffers && (asked + 1) * pieceSize <= growth.upTo) ask();
      const next = reading.shift();
      if (next === undefined) {
        await growth.change();
        continue;
      }
      const count = await next;
      if (count > 0) yield new Uint8Array(memory.buffer, index++ % buffers * pieceSize, count);
      if (count < pieceSize) return;
    }
  } finally {
    await Promise.allSettled(reading);
    source.close();
  }
}
