import { VmbError } from "../error.ts";
import type { Chunk } from "./chunk.ts";
import { clusterCount, clusterSize, clustersPerSegment, roundUp } from "./cluster.ts";
import { setCompressedEntry, setEntry } from "./entry.ts";
import { encodeHeader } from "./header.ts";
import type { Layout } from "./layout.ts";
import { Refcounts } from "./refcounts.ts";
import { type L2Position, layTail, type Tail, tailChunks } from "./tail.ts";

/** Where data goes, and what has to be written before it. */
export interface Placement {
  /** Bytes from the start of the file. */
  readonly offset: number;
  /** In file order; they end where the data starts. */
  readonly before: readonly Chunk[];
}

/** The rest of an image after its last data. */
export interface Ending {
  /** In file order, made while they are iterated; to be taken once. */
  readonly chunks: Iterable<Chunk>;
  /**
   * A range that the chunks step over: a hole in the file, all zeros, owned by nothing. It has to
   * be part of the file's hash.
   */
  readonly gap?: { readonly offset: number; readonly length: number };
  /** Replaces the first cluster of the file, whose hash has then to be computed again. */
  readonly correctedHeader?: Chunk;
  /** Bytes. */
  readonly fileSize: number;
}

/** A frame starts with a magic number of 4 bytes; so a refcount of 16 bits is never exceeded. */
const leastCompressed = 4;

/** The tail stays where it was predicted when that wastes at most 1/8 of the file. */
const largestGapShare = 1 / 8;

/**
 * Encodes an image as one sequential stream: `header()`, then data wherever `place` says, then
 * `finish()`. Written in this order, every byte follows the one before; only a gap and a corrected
 * header make exceptions.
 *
 * Clusters that are not placed read as zeros. Memory is one L2 table and, with compression, 2 bytes
 * for each cluster of the file.
 *
 * The header has to come first, yet it points to the tail: so it carries the predicted place of the
 * tail. When less was stored than predicted, a small difference is left as a gap and the header
 * stays true; for a large one the tail follows the data, and the header is corrected.
 */
export class Qcow2Stream {
  readonly #layout: Layout;
  readonly #clusters: number;
  readonly #refcounts = new Refcounts();
  readonly #l2Tables: L2Position[] = [];
  #position = clusterSize;
  #next = 0;
  #segment = -1;
  #table: DataView<ArrayBuffer> | undefined;
  #room = 0;

  constructor(layout: Layout) {
    this.#layout = layout;
    this.#clusters = clusterCount(layout.virtualSize);
    this.#own(0, clusterSize);
  }

  /** Returns the first cluster of the file, with the predicted place of the tail. */
  header(): Chunk {
    return this.#headerFor(this.#layout.tail);
  }

  /**
   * Places one guest cluster behind all those placed before.
   *
   * @param storedBytes 65536 for a cluster stored as it is, padded with zeros at the end of the
   *   disk; fewer for a zstd frame of so many bytes
   * @throws {VmbError} `qcow2.order` for a cluster not behind the last one, `qcow2.unpredicted` for
   *   one that the layout has no room for, `qcow2.compressed` for an impossible size
   */
  place(guestCluster: number, storedBytes: number): Placement {
    if (storedBytes === clusterSize) return this.placeRun(guestCluster, 1);
    if (
      this.#layout.compression === "none" || !Number.isInteger(storedBytes) ||
      storedBytes < leastCompressed || storedBytes > clusterSize
    ) {
      throw new VmbError(
        `Placement of guest cluster ${guestCluster} failed: ${storedBytes} bytes: expected ` +
          (this.#layout.compression === "none"
            ? `${clusterSize} in an image without compression`
            : `${leastCompressed} to ${clusterSize}`),
        { code: "qcow2.compressed" },
      );
    }
    const before: Chunk[] = [];
    const table = this.#enter(guestCluster, 1, before);
    const offset = this.#position;
    setCompressedEntry(table, guestCluster % clustersPerSegment, offset, storedBytes);
    this.#refcounts.count(offset, storedBytes);
    this.#position += storedBytes;
    return { offset, before };
  }

  /**
   * Places a run of guest clusters of one segment, stored as they are, one behind the other.
   *
   * @throws {VmbError} as `place`; `qcow2.order` also for a run that leaves its segment
   */
  placeRun(firstGuestCluster: number, count: number): Placement {
    const before: Chunk[] = [];
    const table = this.#enter(firstGuestCluster, count, before);
    this.#align(before);
    const offset = this.#position;
    const length = count * clusterSize;
    const index = firstGuestCluster % clustersPerSegment;
    for (let i = 0; i < count; i++) setEntry(table, index + i, offset + i * clusterSize);
    this.#own(offset, length);
    this.#position += length;
    return { offset, before };
  }

  /** Ends the image: the last L2 table and the tail. Nothing can be placed after it. */
  finish(): Ending {
    const pending: Chunk[] = [];
    this.#closeSegment(pending);
    const dataEnd = this.#position;
    this.#next = this.#clusters;
    const predicted = this.#layout.tail;
    const gap = predicted.offset - dataEnd;
    const kept = gap <= predicted.fileSize * largestGapShare;
    const tail = kept ? predicted : layTail(dataEnd, predicted.l1Size);
    if (this.#layout.compression === "none") this.#refcounts.use(0, dataEnd);
    this.#refcounts.use(tail.offset, tail.fileSize - tail.offset);
    return {
      chunks: inOrder(pending, tailChunks(tail, this.#l2Tables, this.#refcounts)),
      ...(kept && gap > 0 ? { gap: { offset: dataEnd, length: gap } } : {}),
      ...(kept ? {} : { correctedHeader: this.#headerFor(tail) }),
      fileSize: tail.fileSize,
    };
  }

  #headerFor(tail: Tail): Chunk {
    return encodeHeader({
      virtualSize: this.#layout.virtualSize,
      l1Size: tail.l1Size,
      l1TableOffset: tail.l1TableOffset,
      refcountTableOffset: tail.refcountTableOffset,
      refcountTableClusters: tail.refcountTableClusters,
      compressionType: this.#layout.compression === "zstd" ? "zstd" : "zlib",
    });
  }

  /** Returns the L2 table of the segment that takes the run, ending the segment before it. */
  #enter(first: number, count: number, before: Chunk[]): DataView<ArrayBuffer> {
    const segment = Math.floor(first / clustersPerSegment);
    const end = Math.min((segment + 1) * clustersPerSegment, this.#clusters);
    if (
      !Number.isInteger(first) || first < this.#next ||
      !Number.isInteger(count) || count < 1 || first + count > end
    ) {
      throw new VmbError(
        `Placement of ${count} guest clusters from ${first} failed: expected clusters of one ` +
          `segment, from ${this.#next} on, of the ${this.#clusters} of the disk`,
        { code: "qcow2.order" },
      );
    }
    const same = segment === this.#segment;
    const room = same ? this.#room : this.#layout.segments.get(segment) ?? 0;
    if (count > room) {
      throw new VmbError(
        `Placement of ${count} guest clusters from ${first} failed: segment ${segment} has room for ` +
          `${room} more: expected no cluster that was not allocated when the layout was predicted`,
        { code: "qcow2.unpredicted" },
      );
    }
    if (!same) this.#closeSegment(before);
    this.#segment = segment;
    this.#room = room - count;
    this.#next = first + count;
    this.#table ??= new DataView(new ArrayBuffer(clusterSize));
    return this.#table;
  }

  #closeSegment(before: Chunk[]): void {
    this.#align(before);
    const table = this.#table;
    if (table === undefined) return;
    const offset = this.#position;
    before.push({ offset, bytes: new Uint8Array(table.buffer) });
    this.#l2Tables.push({ segment: this.#segment, offset });
    this.#own(offset, clusterSize);
    this.#position += clusterSize;
    this.#table = undefined;
  }

  /**
   * Without compression all clusters up to the end of the data have one reference: none is counted.
   */
  #own(offset: number, length: number): void {
    if (this.#layout.compression !== "none") this.#refcounts.count(offset, length);
  }

  /** Fills the host cluster that compressed data has begun. */
  #align(before: Chunk[]): void {
    const aligned = roundUp(this.#position, clusterSize);
    if (aligned === this.#position) return;
    before.push({ offset: this.#position, bytes: new Uint8Array(aligned - this.#position) });
    this.#position = aligned;
  }
}

function* inOrder(first: Iterable<Chunk>, then: Iterable<Chunk>): Generator<Chunk> {
  yield* first;
  yield* then;
}
