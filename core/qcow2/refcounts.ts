import { clusterSize } from "./cluster.ts";

/** Refcounts of 16 bits that one refcount block, a cluster, holds: it covers 2 GiB of the file. */
export const refcountsPerBlock = clusterSize / 2;

/**
 * How many references each cluster of the image file has.
 *
 * Clusters with one reference are kept as ranges of the file. Counting is for the clusters that
 * compressed data shares; it costs 2 bytes of memory for each cluster up to the last one counted.
 */
export class Refcounts {
  readonly #counted = new Map<number, Uint8Array<ArrayBuffer>>();
  readonly #ranges: { readonly from: number; readonly to: number }[] = [];

  /** Adds one reference to each cluster that the bytes at `offset` touch. */
  count(offset: number, length: number): void {
    const last = Math.floor((offset + length - 1) / clusterSize);
    for (let cluster = Math.floor(offset / clusterSize); cluster <= last; cluster++) {
      const index = Math.floor(cluster / refcountsPerBlock);
      let block = this.#counted.get(index);
      if (block === undefined) {
        block = new Uint8Array(clusterSize);
        this.#counted.set(index, block);
      }
      const at = cluster % refcountsPerBlock * 2;
      const low = (block[at + 1] ?? 0) + 1;
      block[at + 1] = low;
      if (low === 256) block[at] = (block[at] ?? 0) + 1;
    }
  }

  /** Gives one reference to each cluster of a range of whole clusters, none of them counted. */
  use(offset: number, length: number): void {
    this.#ranges.push({ from: offset / clusterSize, to: (offset + length) / clusterSize });
  }

  /** Returns the refcount block that covers the clusters from `index * refcountsPerBlock`. */
  block(index: number): Uint8Array<ArrayBuffer> {
    const bytes = this.#counted.get(index)?.slice() ?? new Uint8Array(clusterSize);
    const first = index * refcountsPerBlock;
    for (const range of this.#ranges) {
      const from = Math.max(range.from - first, 0);
      const to = Math.min(range.to - first, refcountsPerBlock);
      for (let entry = from; entry < to; entry++) bytes[entry * 2 + 1] = 1;
    }
    return bytes;
  }
}
