/**
 * The parts of a request that content chunks have filled so far. Chunks may come in any order, but no
 * byte may come twice ("Structured reply types").
 */
export class Coverage {
  readonly #length: number;
  /** Disjoint, ascending, never adjacent. */
  readonly #runs: { start: number; end: number }[] = [];

  /** @param length bytes to be covered */
  constructor(length: number) {
    this.#length = length;
  }

  /** Whether every byte was covered. */
  get complete(): boolean {
    const first = this.#runs[0];
    return this.#length === 0 ||
      (first !== undefined && first.start === 0 && first.end === this.#length);
  }

  /**
   * Adds the bytes from `start` up to, and without, `end`.
   *
   * @returns false, and adds nothing, when one of them is outside or was covered before
   */
  add(start: number, end: number): boolean {
    if (start < 0 || end <= start || end > this.#length) return false;
    const runs = this.#runs;
    const index = this.#firstEndingAt(start);
    const before = runs[index]?.end === start ? runs[index] : undefined;
    const afterIndex = before === undefined ? index : index + 1;
    const after = runs[afterIndex];
    if (after !== undefined && after.start < end) return false;
    const joins = after?.start === end;
    if (before !== undefined && joins) {
      before.end = after.end;
      runs.splice(afterIndex, 1);
    } else if (before !== undefined) {
      before.end = end;
    } else if (joins) {
      after.start = start;
    } else {
      runs.splice(index, 0, { start, end });
    }
    return true;
  }

  /** Index of the first run that ends at `position` or behind it. */
  #firstEndingAt(position: number): number {
    const runs = this.#runs;
    let low = 0;
    let high = runs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const run = runs[middle];
      if (run !== undefined && run.end < position) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
