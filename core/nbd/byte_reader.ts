import type { Connection } from "../sys/network.ts";
import { disconnectFailure, type NbdPeer, textOf } from "./failure.ts";

/**
 * Reads a stream of small headers and large payloads. Headers come through a buffer of fixed size; a
 * payload goes from the socket straight into its target, except for the few bytes that the last read
 * of a header brought along.
 */
export class ByteReader {
  /** The longest header that `take` can be asked for, in bytes. */
  static readonly capacity = 8192;

  readonly #connection: Pick<Connection, "read">;
  readonly #peer: NbdPeer;
  readonly #buffer = new Uint8Array(ByteReader.capacity);
  #start = 0;
  #end = 0;

  constructor(connection: Pick<Connection, "read">, peer: NbdPeer) {
    this.#connection = connection;
    this.#peer = peer;
  }

  /**
   * Takes the next `count` bytes. The view is valid until the next call.
   *
   * @throws {VmbError} `nbd.disconnected` when the stream ends before
   */
  async take(count: number): Promise<DataView<ArrayBuffer>> {
    if (this.#start + count > this.#buffer.length) {
      this.#buffer.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    while (this.#end - this.#start < count) {
      this.#end += await this.#read(this.#buffer.subarray(this.#end));
    }
    const view = new DataView(this.#buffer.buffer, this.#start, count);
    this.#start += count;
    if (this.#start === this.#end) this.#start = this.#end = 0;
    return view;
  }

  /** Fills `target` with the bytes that come next. */
  async fill(target: Uint8Array<ArrayBuffer>): Promise<void> {
    const { length } = target;
    let done = Math.min(length, this.#end - this.#start);
    if (done > 0) {
      target.set(this.#buffer.subarray(this.#start, this.#start + done));
      this.#start += done;
    }
    while (done < length) done += await this.#read(target.subarray(done));
  }

  async #read(target: Uint8Array<ArrayBuffer>): Promise<number> {
    let count: number | null;
    try {
      count = await this.#connection.read(target);
    } catch (error) {
      throw disconnectFailure(this.#peer, textOf(error), error);
    }
    if (count === null) throw disconnectFailure(this.#peer, "the server closed it");
    return count;
  }
}
