import type { Connection } from "../sys/network.ts";
import { concatenate } from "./bytes.ts";

/** Writes messages one after the other; those that wait meanwhile go out in one piece. */
export class RequestWriter {
  readonly #connection: Pick<Connection, "write">;
  readonly #onFailure: (cause: unknown) => void;
  readonly #waiting: Uint8Array[] = [];
  #writing: Promise<void> | undefined;

  /** @param onFailure called when the socket refuses a message; the stream is broken from then on */
  constructor(connection: Pick<Connection, "write">, onFailure: (cause: unknown) => void) {
    this.#connection = connection;
    this.#onFailure = onFailure;
  }

  send(message: Uint8Array): void {
    this.#waiting.push(message);
    this.#writing ??= this.#drain();
  }

  /** Resolves when every message was handed to the socket, or the socket has refused one. */
  async flush(): Promise<void> {
    await this.#writing;
  }

  async #drain(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        await writeAll(this.#connection, concatenate(this.#waiting.splice(0)));
      }
      this.#writing = undefined;
    } catch (error) {
      this.#onFailure(error);
    }
  }
}

/** Writes all of `bytes`; a socket may take them in parts. */
export async function writeAll(
  connection: Pick<Connection, "write">,
  bytes: Uint8Array,
): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await connection.write(bytes.subarray(done));
}
