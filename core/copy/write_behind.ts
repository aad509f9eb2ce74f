import type { System } from "../sys/system.ts";

/** Bytes that are written before they are made durable and dropped. */
const stride = 128 * 1024 ** 2;

/**
 * Makes a growing file durable piece by piece while it is written, and drops those pieces from this
 * machine's cache. Otherwise a backup would push out of memory what the VMs read, and leave most of the
 * writing to the last fsync, which nothing overlaps.
 *
 * It only helps: errors show at the last fsync of whoever writes the file.
 */
export class WriteBehind {
  readonly #system: Pick<System, "files" | "processes">;
  readonly #path: string;
  readonly #signal: AbortSignal;
  #waiting = 0;
  #running: Promise<void> | undefined;

  constructor(system: Pick<System, "files" | "processes">, path: string, signal: AbortSignal) {
    this.#system = system;
    this.#path = path;
    this.#signal = signal;
  }

  /** Notes bytes that were written; they may still be in memory only. */
  wrote(bytes: number): void {
    this.#waiting += bytes;
    if (this.#waiting < stride || this.#running || this.#signal.aborted) return;
    this.#waiting = 0;
    this.#running = this.#flush().catch(() => {}).finally(() => this.#running = undefined);
  }

  /** Resolves when no piece is on its way any more. */
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
  await processes.run(["dd", `if=${path}`, "iflag=nocache", "count=0", "status=none"], { signal });
}
