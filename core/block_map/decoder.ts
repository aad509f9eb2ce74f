import { createHash } from "node:crypto";
import { clusterCount, clustersPerSegment } from "../qcow2/cluster.ts";
import { digestLength, type Seed } from "./cluster_digest.ts";
import {
  bitmapLength,
  decodeHeader,
  expect,
  expectZeros,
  headerLength,
  invalid,
  magicOf,
  recordHead,
  safe,
  segmentCount,
  tableEntryLength,
  tableHead,
  tableMagic,
} from "./format.ts";
import { PieceInput } from "./piece_input.ts";

/** A block map that is being read. */
export interface BlockMap {
  /** Bytes. */
  readonly virtualSize: number;
  readonly seed: Seed;
  /**
   * The clusters that are not all zeros, ascending. The map is proven whole and valid only when the
   * iteration has ended. To be iterated once.
   *
   * @throws {VmbError} `block-map.invalid`
   */
  readonly entries: Iterable<BlockMapEntry>;
  /**
   * The content digest of the disk, in hexadecimal: known when the iteration has ended.
   *
   * @throws {VmbError} `block-map.invalid` before that
   */
  contentDigest(): string;
}

export interface BlockMapEntry {
  readonly cluster: number;
  /** XXH3 with the map's seed, 16 bytes. */
  readonly digest: Uint8Array;
}

/** What was read of a record, to be compared with the table. */
interface SeenRecord {
  readonly segment: number;
  readonly count: number;
  readonly sha256: Uint8Array;
}

/**
 * Decodes the block map of a full backup (format.ts), given whole or in chunks of any length. Only the canonical
 * encoding is accepted. Memory is 100 bytes for each 512 MiB of data.
 *
 * @throws {VmbError} `block-map.invalid` when the header is not valid; the rest is checked by
 *   `entries`
 */
export function decodeBlockMap(source: Uint8Array | Iterable<Uint8Array>): BlockMap {
  const input = new PieceInput(source instanceof Uint8Array ? [source] : source, invalid);
  const head = input.take(headerLength, "header");
  const { virtualSize, seed } = decodeHeader(head);
  const content = createHash("sha256").update(head);
  let digest: string | undefined;
  function* entries(): Generator<BlockMapEntry> {
    const seen = yield* decodeRecords(input, clusterCount(virtualSize));
    for (const part of checkTable(input, virtualSize, seen)) content.update(part);
    digest = content.digest("hex");
  }
  return {
    virtualSize,
    seed,
    entries: entries(),
    contentDigest() {
      if (digest === undefined) throw invalid("content digest", "the map was not read to its end");
      return digest;
    },
  };
}

/** Yields what the records hold; returns them, and the first bytes of the table. */
function* decodeRecords(
  input: PieceInput,
  clusters: number,
): Generator<
  BlockMapEntry,
  { readonly records: readonly SeenRecord[]; readonly start: DataView<ArrayBuffer> }
> {
  const records: SeenRecord[] = [];
  for (let least = 0;;) {
    const start = input.take(recordHead, "record or table");
    if (magicOf(start) === tableMagic) return { records, start };
    const segment = safe("segment index", start.getBigUint64(0));
    const first = segment * clustersPerSegment;
    if (segment < least || first >= clusters) {
      throw invalid(`segment ${segment}`, `expected one from ${least} on, within the disk`);
    }
    const name = `segment ${segment}`;
    const bitmap = input.take(bitmapLength, name);
    const members = setBits(bitmap);
    const last = members.at(-1);
    const count = start.getBigUint64(8);
    if (last === undefined || count !== BigInt(members.length)) {
      throw invalid(
        name,
        `count of digests is ${count}, its bitmap has ${members.length} bits set: expected the same, at least 1`,
      );
    }
    if (first + last >= clusters) {
      throw invalid(name, `cluster ${first + last} is outside the disk`);
    }
    const digests = input.take(members.length * digestLength, name);
    const sha256 = createHash("sha256").update(start).update(bitmap).update(digests).digest();
    records.push({ segment, count: members.length, sha256 });
    for (const [position, member] of members.entries()) {
      const at = position * digestLength;
      yield {
        cluster: first + member,
        digest: new Uint8Array(digests.buffer, at, digestLength),
      };
    }
    least = segment + 1;
  }
}

/** Compares the table with the records before it; yields its bytes. */
function* checkTable(
  input: PieceInput,
  virtualSize: number,
  { records, start }: {
    readonly records: readonly SeenRecord[];
    readonly start: DataView<ArrayBuffer>;
  },
): Generator<DataView> {
  const rest = input.take(tableHead - recordHead, "table");
  const segments = segmentCount(virtualSize);
  expect("count of segments in the table", safe("count", start.getBigUint64(8)), segments);
  const total = records.reduce((sum, { count }) => sum + count, 0);
  expect("count of digests in the table", safe("count", rest.getBigUint64(0)), total);
  expectZeros("table", rest, 8, rest.byteLength);
  yield start;
  yield rest;
  const waiting = records.values();
  let next = waiting.next().value;
  for (let segment = 0; segment < segments; segment++) {
    const what = `entry of segment ${segment} in the table`;
    const entry = input.take(tableEntryLength, what);
    if (next?.segment === segment) {
      expect(what, safe("count", entry.getBigUint64(0)), next.count);
      expect(what, new Uint8Array(entry.buffer, 8).toHex(), next.sha256.toHex());
      next = waiting.next().value;
    } else expectZeros(what, entry, 0, tableEntryLength);
    yield entry;
  }
  input.expectEnd();
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
