import { VmbError } from "../error.ts";
import { clusterBits, clusterCount, clustersPerSegment } from "../qcow2/cluster.ts";
import { digestLength, type Seed } from "./cluster_digest.ts";

/*
 * The block map of a disk: which clusters hold data, and the digest of each. All numbers are big endian.
 *
 * header, 64 bytes      0  magic "VMBBLKMP"
 *                       8  u32 version, 2
 *                      12  u32 cluster_bits, 16: a cluster has 65536 bytes
 *                      16  u64 virtual size of the disk in bytes
 *                      24  u32 digest algorithm, 2: XXH3 of 128 bits, in its canonical (big endian) form
 *                      28  u32 zero
 *                      32  u64 seed of the digests
 *                      40  24 zeros
 * record, ascending, for each segment of 8192 clusters (512 MiB) of which one is not all zeros
 *                       0  u64 index of the segment
 *                       8  u64 count of digests, from 1 to 8192
 *                      16  1024 bytes: bit i & 7 (of value 1 << (i & 7)) of byte i >> 3 is set when
 *                          cluster i of the segment is not all zeros
 *                    1040  count x 16 bytes: digest of each of those clusters, ascending; a partial
 *                          last cluster is hashed with zeros up to 65536 bytes
 * table                 0  magic "VMBBLKTB"
 *                       8  u64 count of segments of the disk, with and without data
 *                      16  u64 count of digests
 *                      24  8 zeros
 *                      32  for each segment, 40 bytes: u64 count of digests, SHA-256 of its record;
 *                          all zeros for a segment without data
 *
 * SHA-256 over header and table is the content digest of the disk: of size, seed and content, whatever image
 * format, layout or compression holds it. The table comes last, so that a map is written in one pass; its
 * length follows from the size of the disk, and so its place from the length of the file.
 */

export const version = 2;
/** 1 was SHA-256, in maps of version 1. */
export const algorithm = 2;
export const headerMagic = "VMBBLKMP";
export const tableMagic = "VMBBLKTB";
export const headerLength = 64;
export const recordHead = 16;
export const bitmapLength = clustersPerSegment / 8;
export const digestsAt = recordHead + bitmapLength;
export const tableHead = 32;
export const tableEntryLength = 8 + 32;

export interface MapHeader {
  /** Bytes. */
  readonly virtualSize: number;
  readonly seed: Seed;
}

export function segmentCount(virtualSize: number): number {
  return Math.ceil(clusterCount(virtualSize) / clustersPerSegment);
}

/** Bytes of the table at the end of a map. */
export function tableLength(virtualSize: number): number {
  return tableHead + segmentCount(virtualSize) * tableEntryLength;
}

/** Bytes of a record with so many digests. */
export function recordLength(count: number): number {
  return digestsAt + count * digestLength;
}

export function encodeHeader({ virtualSize, seed }: MapHeader): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(headerLength);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode(headerMagic));
  view.setUint32(8, version);
  view.setUint32(12, clusterBits);
  view.setBigUint64(16, BigInt(virtualSize));
  view.setUint32(24, algorithm);
  view.setBigUint64(32, BigInt(`0x${seed}`));
  return bytes;
}

/** @throws {VmbError} `block-map.invalid` */
export function decodeHeader(view: DataView<ArrayBuffer>): MapHeader {
  expect("header magic", magicOf(view), headerMagic);
  expect("version", view.getUint32(8), version);
  expect("cluster_bits", view.getUint32(12), clusterBits);
  const virtualSize = safe("virtual size", view.getBigUint64(16));
  expect("digest algorithm", view.getUint32(24), algorithm);
  expectZeros("header", view, 28, 32);
  expectZeros("header", view, 40, headerLength);
  return { virtualSize, seed: view.getBigUint64(32).toString(16).padStart(16, "0") };
}

export function magicOf(view: DataView<ArrayBuffer>): string {
  return String.fromCharCode(...new Uint8Array(view.buffer, view.byteOffset, 8));
}

export function safe(what: string, value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw invalid(what, `got ${value}: expected at most ${Number.MAX_SAFE_INTEGER}`);
  }
  return Number(value);
}

export function expect<T extends string | number>(what: string, value: T, expected: T): void {
  if (value !== expected) {
    throw invalid(what, `got ${JSON.stringify(value)}: expected ${JSON.stringify(expected)}`);
  }
}

export function expectZeros(what: string, view: DataView, from: number, end: number): void {
  for (let index = from; index < end; index++) {
    if (view.getUint8(index) !== 0) throw invalid(what, "reserved bytes are set: expected zeros");
  }
}

export function invalid(what: string, found: string): VmbError {
  return new VmbError(`Reading of the block map failed: ${what}: ${found}`, {
    code: "block-map.invalid",
  });
}
