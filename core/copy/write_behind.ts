import { runOk } from "../sys/process.ts";
import type { System } from "../sys/system.ts";

export interface WriteBehindOptions {
  /** File that grows. */
  readonly path: string;
  readonly signal: AbortSignal;
  /** Bytes that may be in memory only before it is time to write them out; default 128 MiB. */
  readonly stride?: number;
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
  readonly #path: string;
  readonly #signal: AbortSignal;
  readonly #stride: number;
  #pending = 0;
  #running: Promise<void> | undefined;

  constructor(system: Pick<System, "files" | "processes">, options: WriteBehindOptions) {
    const { path, signal, stride = 128 * 1024 ** 2 } = options;
    this.#system = system;
    this.#path = path;
    this.#signal = signal;
    this.#stride = stride;
  }

  /** Notes bytes that were written. */
  wrote(bytes: number): void {
    this.#pending += bytes;
    if (this.#pending < this.#stride || this.#running || this.#signal.aborted) return;
    this.#pending = 0;
    this.#running = this.#flush().catch(() => {}).finally(() => this.#running = undefined);
  }

  /**
   * Resolves when no piece is on its way any more. For the end of a success: on a file system that hangs
   * it never does.
   */
  async settle(): Promise<void> {
    await this.#running;
  }

  async #flush(): Promise<void> {
    await this.#system.files.syncFile(this.#path);
    await dropCache(this.#system, this.#path, this.#signal);
  }
}

/** Drops what is durable of a file from this machine's cache (coreutils manual, dd invocation, `nocache`). */
export async function dropCache(
  { processes }: Pick<System, "processes">,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  await runOk(processes, ["dd", `if=${path}`, "iflag=nocache", "count=0", "status=none"], {
    signal,
  });
}
