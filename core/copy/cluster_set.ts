/** Clusters that hold data: `[first, end)`, ascending, with at least one cluster between two ranges. */
export interface DataRange {
  readonly first: number;
  readonly end: number;
}

/**
 * A set of clusters of a disk, as one bit each: 2 MiB for a TiB, however fragmented it is. Iterating yields its
 * ranges, ascending, with at least one cluster between two of them.
 */
export class ClusterSet implements Iterable<DataRange> {
  readonly #words: Uint32Array;
  readonly #clusters: number;

  /** @param clusters how many the disk has */
  constructor(clusters: number) {
    this.#clusters = clusters;
    this.#words = new Uint32Array(Math.ceil(clusters / 32));
  }

  /** Adds the clusters from `first` up to, but not including, `end`. */
  add({ first, end }: DataRange): void {
    for (let cluster = first; cluster < end;) {
      const bit = cluster % 32;
      const count = Math.min(32 - bit, end - cluster);
      const mask = count === 32 ? 0xffff_ffff : ((1 << count) - 1) << bit;
      const word = Math.floor(cluster / 32);
      this.#words[word] = (this.#words[word] ?? 0) | mask;
      cluster += count;
    }
  }

  *[Symbol.iterator](): Generator<DataRange> {
    for (let first = this.#seek(0, true); first < this.#clusters;) {
      const end = this.#seek(first, false);
      yield { first, end };
      first = this.#seek(end, true);
    }
  }

  /** The next cluster from `from` on that is, or is not, in the set; the count of clusters if there is none. */
  #seek(from: number, wanted: boolean): number {
    const skipped = wanted ? 0 : 0xffff_ffff;
    for (let cluster = from; cluster < this.#clusters;) {
      const word = this.#words[Math.floor(cluster / 32)] ?? 0;
      if (cluster % 32 === 0 && word === skipped) cluster += 32;
      else if (((word >>> (cluster % 32)) & 1) === (wanted ? 1 : 0)) return cluster;
      else cluster++;
    }
    return this.#clusters;
  }
}
