/** A stream of chunks of any length, taken in pieces of exact length. */
export class PieceInput {
  readonly #chunks: Iterator<Uint8Array>;
  readonly #fail: (what: string, found: string) => Error;
  #current: Uint8Array = new Uint8Array(0);
  #taken = 0;

  /** @param fail makes the error for a stream that ends early or late */
  constructor(chunks: Iterable<Uint8Array>, fail: (what: string, found: string) => Error) {
    this.#chunks = chunks[Symbol.iterator]();
    this.#fail = fail;
  }

  /**
   * Takes `length` bytes of `what`. They are a copy, so that it outlives a buffer that its reader
   * uses again.
   */
  take(length: number, what: string): DataView<ArrayBuffer> {
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length;) {
      if (this.#current.length === 0 && !this.#advance()) {
        throw this.#fail(what, `ends after ${this.#taken} bytes: expected ${length - done} more`);
      }
      const part = this.#current.subarray(0, length - done);
      bytes.set(part, done);
      done += part.length;
      this.#taken += part.length;
      this.#current = this.#current.subarray(part.length);
    }
    return new DataView(bytes.buffer);
  }

  /** Makes sure that nothing follows what was taken. */
  expectEnd(): void {
    while (this.#current.length === 0) {
      if (!this.#advance()) return;
    }
    throw this.#fail("table", `bytes follow after ${this.#taken}: expected the end`);
  }

  #advance(): boolean {
    const next = this.#chunks.next();
    if (next.done) return false;
    this.#current = next.value;
    return true;
  }
}
