import { VmbError } from "../error.ts";
import { clusterBits, clusterCount, clustersPerSegment } from "../qcow2/cluster.ts";
import { PieceInput } from "./piece_input.ts";

/**
 * The block map of a disk: which clusters hold data, and the SHA-256 of each.
 *
 * It is a pure function of the disk's size and content: the SHA-256 of a block map is the content
 * digest of the disk, whatever image format, layout or compression holds it. All numbers are big
 * endian.
 *
 * ```
 * header, 64 bytes      0  magic "VMBBLKMP"
 *                       8  u32 version, 1
 *                      12  u32 cluster_bits, 16: a cluster has 65536 bytes
 *                      16  u64 virtual size of the disk in bytes
 *                      24  u32 digest algorithm, 1: SHA-256
 *                      28  36 zeros
 * segment, ascending, for each 8192 clusters (512 MiB) of which one is not all zeros
 *                       0  u64 index of the segment
 *                       8  u64 count of digests, from 1 to 8192
 *                      16  1024 bytes: bit i & 7 (of value 1 << (i & 7)) of byte i >> 3 is set when
 *                          cluster i of the segment is not all zeros
 *                    1040  count x 32 bytes: SHA-256 of each of those clusters, ascending; a
 *                          partial last cluster is hashed with zeros up to 65536 bytes
 * trailer, 64 bytes     0  magic "VMBBLKEN"
 *                       8  u64 count of segments
 *                      16  u64 count of digests
 *                      24  40 zeros
 * ```
 */
export interface BlockMap {
  /** Bytes. */
  readonly virtualSize: number;
  /**
   * The clusters that are not all zeros, ascending. The map is proven whole and valid only when the
   * iteration has ended. To be iterated once.
   *
   * @throws {VmbError} `block-map.invalid`
   */
  readonly entries: Iterable<BlockMapEntry>;
}

export interface BlockMapEntry {
  readonly cluster: number;
  /** SHA-256, 32 bytes. */
  readonly digest: Uint8Array;
}

const version = 1;
const sha256 = 1;
const headerMagic = "VMBBLKMP";
const trailerMagic = "VMBBLKEN";
const frameLength = 64;
const bitmapLength = clustersPerSegment / 8;
const digestsAt = 16 + bitmapLength;
const digestLength = 32;

/** The SHA-256 of a cluster of zeros: such a cluster has no place in a map. */
const zeroClusterDigest = Uint8Array.fromHex(
  "de2f256064a0af797747c2b97505dc0b9f3df0de4f489eac731c23ae9ca9cc31",
);

/** Encodes a block map piece by piece, in the order of the file; memory is one segment. */
export class BlockMapEncoder {
  readonly #virtualSize: number;
  readonly #clusters: number;
  readonly #piece = new Uint8Array(digestsAt + clustersPerSegment * digestLength);
  #segment = -1;
  #next = 0;
  #inPiece = 0;
  #segments = 0;
  #digests = 0;

  /** @param virtualSize bytes */
  constructor(virtualSize: number) {
    this.#virtualSize = virtualSize;
    this.#clusters = clusterCount(virtualSize);
  }

  /** Returns the first bytes of the map. */
  header(): Uint8Array<ArrayBuffer> {
    const { bytes, view } = frame(headerMagic);
    view.setUint32(8, version);
    view.setUint32(12, clusterBits);
    view.setBigUint64(16, BigInt(this.#virtualSize));
    view.setUint32(24, sha256);
    return bytes;
  }

  /**
   * Adds a cluster that is not all zeros, behind those added before; `digest` is copied.
   *
   * Returns the bytes of the segment before, when this cluster is the first of a new one.
   *
   * @throws {VmbError} `block-map.order` for a cluster out of order or outside the disk,
   *   `block-map.digest` for a digest of other length or of zeros
   */
  add(cluster: number, digest: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
    if (!Number.isInteger(cluster) || cluster < this.#next || cluster >= this.#clusters) {
      throw new VmbError(
        `Adding cluster ${cluster} to the block map failed: expected ${this.#next} to ${
          this.#clusters - 1
        }`,
        { code: "block-map.order" },
      );
    }
    if (digest.length !== digestLength || isZeroCluster(digest)) {
      throw new VmbError(
        `Adding cluster ${cluster} to the block map failed: digest ${
          digest.toHex() || "of no bytes"
        }: ` +
          "expected the SHA-256 of a cluster that is not all zeros",
        { code: "block-map.digest" },
      );
    }
    const segment = Math.floor(cluster / clustersPerSegment);
    const finished = segment === this.#segment ? undefined : this.#endSegment();
    this.#segment = segment;
    this.#next = cluster + 1;
    const index = cluster % clustersPerSegment;
    const at = 16 + (index >> 3);
    this.#piece[at] = (this.#piece[at] ?? 0) | 1 << (index & 7);
    this.#piece.set(digest, digestsAt + this.#inPiece * digestLength);
    this.#inPiece += 1;
    return finished;
  }

  /** Returns the rest of the map: the last segment, if there is any, and the trailer. */
  finish(): readonly Uint8Array<ArrayBuffer>[] {
    const last = this.#endSegment();
    this.#next = this.#clusters;
    const { bytes, view } = frame(trailerMagic);
    view.setBigUint64(8, BigInt(this.#segments));
    view.setBigUint64(16, BigInt(this.#digests));
    return last === undefined ? [bytes] : [last, bytes];
  }

  #endSegment(): Uint8Array<ArrayBuffer> | undefined {
    if (this.#inPiece === 0) return undefined;
    const view = new DataView(this.#piece.buffer);
    view.setBigUint64(0, BigInt(this.#segment));
    view.setBigUint64(8, BigInt(this.#inPiece));
    const bytes = this.#piece.slice(0, digestsAt + this.#inPiece * digestLength);
    this.#piece.fill(0, 16, digestsAt);
    this.#segments += 1;
    this.#digests += this.#inPiece;
    this.#inPiece = 0;
    return bytes;
  }
}

/**
 * Decodes a block map, given whole or in chunks of any length. Only the canonical encoding is
 * accepted.
 *
 * @throws {VmbError} `block-map.invalid` when the header is not valid; the rest is checked by
 *   `entries`
 */
export function decodeBlockMap(source: Uint8Array | Iterable<Uint8Array>): BlockMap {
  const input = new PieceInput(source instanceof Uint8Array ? [source] : source, invalid);
  const view = input.take(frameLength, "header");
  expect("header magic", magicOf(view), headerMagic);
  expect("version", view.getUint32(8), version);
  expect("cluster_bits", view.getUint32(12), clusterBits);
  const virtualSize = number("virtual size", view.getBigUint64(16));
  expect("digest algorithm", view.getUint32(24), sha256);
  expectZeros("header", view, 28);
  return { virtualSize, entries: decodeEntries(input, clusterCount(virtualSize)) };
}

function* decodeEntries(input: PieceInput, clusters: number): Generator<BlockMapEntry> {
  let segments = 0;
  let digests = 0;
  let least = 0;
  while (true) {
    const start = input.take(16, "segment or trailer");
    if (magicOf(start) === trailerMagic) {
      const rest = input.take(frameLength - 16, "trailer");
      expect("count of segments in the trailer", number("count", start.getBigUint64(8)), segments);
      expect("count of digests in the trailer", number("count", rest.getBigUint64(0)), digests);
      expectZeros("trailer", rest, 8);
      input.expectEnd();
      return;
    }
    const segment = number("segment index", start.getBigUint64(0));
    const first = segment * clustersPerSegment;
    if (segment < least || first >= clusters) {
      throw invalid(`segment ${segment}`, `expected one from ${least} on, within the disk`);
    }
    const name = `segment ${segment}`;
    const bitmap = input.take(bitmapLength, name);
    const members = setBits(bitmap);
    const count = start.getBigUint64(8);
    if (members.length === 0 || count !== BigInt(members.length)) {
      throw invalid(
        name,
        `count of digests is ${count}, its bitmap has ${members.length} bits set: expected the same, at least 1`,
      );
    }
    if (first + (members.at(-1) ?? 0) >= clusters) {
      throw invalid(name, `cluster ${first + (members.at(-1) ?? 0)} is outside the disk`);
    }
    const table = input.take(members.length * digestLength, name);
    for (const [position, member] of members.entries()) {
      const at = table.byteOffset + position * digestLength;
      const digest = new Uint8Array(table.buffer, at, digestLength);
      if (isZeroCluster(digest)) {
        throw invalid(
          `cluster ${first + member}`,
          "its digest is that of zeros: expected no entry",
        );
      }
      yield { cluster: first + member, digest };
    }
    segments += 1;
    digests += members.length;
    least = segment + 1;
  }
}

function frame(magic: string): { bytes: Uint8Array<ArrayBuffer>; view: DataView } {
  const bytes = new Uint8Array(frameLength);
  bytes.set(new TextEncoder().encode(magic));
  return { bytes, view: new DataView(bytes.buffer) };
}

function magicOf(view: DataView<ArrayBuffer>): string {
  return String.fromCharCode(...new Uint8Array(view.buffer, 0, 8));
}

function setBits(bitmap: DataView): readonly number[] {
  const bits: number[] = [];
  for (let index = 0; index < bitmap.byteLength; index++) {
    const byte = bitmap.getUint8(index);
    for (let bit = 0; byte >> bit !== 0; bit++) {
      if ((byte >> bit & 1) === 1) bits.push(index * 8 + bit);
    }
  }
  return bits;
}

function isZeroCluster(digest: Uint8Array): boolean {
  for (let index = 0; index < digestLength; index++) {
    if (digest[index] !== zeroClusterDigest[index]) return false;
  }
  return true;
}

function number(what: string, value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw invalid(what, `got ${value}: expected at most ${Number.MAX_SAFE_INTEGER}`);
  }
  return Number(value);
}

function expect<T extends string | number>(what: string, value: T, expected: T): void {
  if (value !== expected) {
    throw invalid(what, `got ${JSON.stringify(value)}: expected ${JSON.stringify(expected)}`);
  }
}

function expectZeros(what: string, view: DataView, from: number): void {
  for (let index = from; index < view.byteLength; index++) {
    if (view.getUint8(index) !== 0) throw invalid(what, "reserved bytes are set: expected zeros");
  }
}

function invalid(what: string, found: string): VmbError {
  return new VmbError(`Reading of the block map failed: ${what}: ${found}`, {
    code: "block-map.invalid",
  });
}
