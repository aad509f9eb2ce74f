import { runOk } from "../sys/process.ts";
import type { Below } from "../sys/files.ts";
import type { System } from "../sys/system.ts";

export interface WriteBehindOptions extends Below {
  /** File that grows. */
  readonly path: string;
  readonly signal: AbortSignal;
  /** Bytes that may be in memory only before it is time to write them out; default 128 MiB. */
  readonly stride?: number;
  /** The file is durable up to there, in bytes, and read from where it is kept. */
  readonly onDurable?: (upTo: number) => void;
}

/**
 * Makes a growing file durable piece by piece while it is written, and drops each piece from this machine's
 * cache. Otherwise a backup would push out of memory what the VMs read, and leave most of the writing to the
 * last fsync, which nothing overlaps.
 *
 * It only helps: an error of the file shows at the last fsync of whoever writes it.
 */
export class WriteBehind {
  readonly #system: Pick<System, "files" | "processes">;
  readonly #options: WriteBehindOptions;
  readonly #stride: number;
  #flushed = 0;
  #running: Promise<void> | undefined;

  constructor(system: Pick<System, "files" | "processes">, options: WriteBehindOptions) {
    this.#system = system;
    this.#options = options;
    this.#stride = options.stride ?? 128 * 1024 ** 2;
  }

  /** Notes how long the file is. */
  wrote(position: number): void {
    const { signal } = this.#options;
    if (position - this.#flushed < this.#stride || this.#running || signal.aborted) return;
    this.#flushed = position;
    this.#running = this.#flush(position).catch(() => {}).finally(() => this.#running = undefined);
  }

  /**
   * Resolves when no piece is on its way any more. For the end of a success: on a file system that hangs
   * it never does.
   */
  async settle(): Promise<void> {
    await this.#running;
  }

  async #flush(position: number): Promise<void> {
    const { path, below, signal, onDurable } = this.#options;
    await this.#system.files.syncFile(path, { below });
    await dropCache(this.#system, path, signal);
    onDurable?.(position);
  }
}

/** Drops what is durable of a file from this machine's cache (coreutils manual, dd invocation, `nocache`). */
export async function dropCache(
  { processes }: Pick<System, "processes">,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  await runOk(processes, [
    "dd",
    `if=${path}`,
    "iflag=nocache,nofollow,nonblock",
    "count=0",
    "status=none",
  ], {
    signal,
  });
}
