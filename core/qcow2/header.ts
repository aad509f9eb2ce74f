import { VmbError } from "../error.ts";
import type { Chunk } from "./chunk.ts";
import { clusterBits, clusterSize } from "./cluster.ts";

/** The fields of an image's header that differ between the images that we write. */
export interface HeaderFields {
  /** Bytes, a multiple of 512. */
  readonly virtualSize: number;
  /** Entries of the L1 table. */
  readonly l1Size: number;
  /** Bytes from the start of the file; 0 when the L1 table has no entries. */
  readonly l1TableOffset: number;
  /** Bytes from the start of the file. */
  readonly refcountTableOffset: number;
  readonly refcountTableClusters: number;
  /** How compressed clusters are compressed, if there are any. */
  readonly compressionType: "zlib" | "zstd";
}

export interface Header extends HeaderFields {
  /** A cluster has `1 << clusterBits` bytes. */
  readonly clusterBits: number;
  /** A refcount has `1 << refcountOrder` bits. */
  readonly refcountOrder: number;
}

/** Refcounts of 16 bits, as qemu makes them. */
export const refcountOrder = 4;

/** qemu opens no larger L1 table: 32 MiB. */
export const maxL1Size = 32 * 1024 * 1024 / 8;

/** qemu opens no larger refcount table: 8 MiB. */
export const maxRefcountTableBytes = 8 * 1024 * 1024;

const magic = 0x514649fb;
const version = 3;
/** Bytes that `decodeHeader` wants. */
export const headerBytes = 112;

const headerLength = headerBytes;
const zstd = 1;
const compressionTypeBit = 1 << 3;

/** Byte offsets of the fields, by the names of qcow2.txt, "Header". */
const at = {
  magic: 0,
  version: 4,
  backing_file_offset: 8,
  backing_file_size: 16,
  cluster_bits: 20,
  size: 24,
  crypt_method: 32,
  l1_size: 36,
  l1_table_offset: 40,
  refcount_table_offset: 48,
  refcount_table_clusters: 56,
  nb_snapshots: 60,
  snapshots_offset: 64,
  incompatible_features: 72,
  compatible_features: 80,
  autoclear_features: 88,
  refcount_order: 96,
  header_length: 100,
  compression_type: 104,
} as const;

/** Returns the first cluster of an image: version 3, 64 KiB clusters, no backing file. */
export function encodeHeader(fields: HeaderFields): Chunk {
  const bytes = new Uint8Array(clusterSize);
  const view = new DataView(bytes.buffer);
  view.setUint32(at.magic, magic);
  view.setUint32(at.version, version);
  view.setUint32(at.cluster_bits, clusterBits);
  view.setBigUint64(at.size, BigInt(fields.virtualSize));
  view.setUint32(at.l1_size, fields.l1Size);
  view.setBigUint64(at.l1_table_offset, BigInt(fields.l1TableOffset));
  view.setBigUint64(at.refcount_table_offset, BigInt(fields.refcountTableOffset));
  view.setUint32(at.refcount_table_clusters, fields.refcountTableClusters);
  view.setUint32(at.refcount_order, refcountOrder);
  view.setUint32(at.header_length, headerLength);
  if (fields.compressionType === "zstd") {
    view.setBigUint64(at.incompatible_features, BigInt(compressionTypeBit));
    view.setUint8(at.compression_type, zstd);
  }
  return { offset: 0, bytes };
}

/**
 * Reads the header of a version 3 image that stands alone: no backing file, external data file,
 * encryption or internal snapshots, neither dirty nor corrupt.
 *
 * Header extensions are ignored, as qcow2.txt allows: none of them changes how such an image is
 * read.
 *
 * @param bytes the image from its start; 112 bytes are enough
 * @throws {VmbError} `qcow2.header`, naming the field
 */
export function decodeHeader(bytes: Uint8Array): Header {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 8 || view.getUint32(at.magic) !== magic) {
    throw headerInvalid("magic", hex(bytes.subarray(0, 4)), `0x${magic.toString(16)}`);
  }
  expect("version", view.getUint32(at.version), version);
  if (bytes.length < at.compression_type) {
    throw headerInvalid("length", `${bytes.length} bytes`, `at least ${at.compression_type}`);
  }
  const u32 = (name: keyof typeof at): number => view.getUint32(at[name]);
  const u64 = (name: keyof typeof at): number => safe(name, view.getBigUint64(at[name]));

  expect("backing_file_offset", u64("backing_file_offset"), 0);
  const bits = u32("cluster_bits");
  within("cluster_bits", bits, 9, 21);
  const size = u64("size");
  multiple("size", size, 512);
  expect("crypt_method", u32("crypt_method"), 0);
  expect("nb_snapshots", u32("nb_snapshots"), 0);

  const cluster = 2 ** bits;
  const length = u32("header_length");
  within("header_length", length, at.compression_type, cluster);
  multiple("header_length", length, 8);
  const compressionType = decodeCompression(view, length);
  within("refcount_order", u32("refcount_order"), 0, 6);

  const l1Size = u32("l1_size");
  within("l1_size", l1Size, Math.ceil(size / (cluster * cluster / 8)), maxL1Size);
  const l1TableOffset = u64("l1_table_offset");
  multiple("l1_table_offset", l1TableOffset, cluster);
  const refcountTableOffset = u64("refcount_table_offset");
  multiple("refcount_table_offset", refcountTableOffset, cluster);
  const refcountTableClusters = u32("refcount_table_clusters");
  within("refcount_table_clusters", refcountTableClusters, 1, maxRefcountTableBytes / cluster);
  return {
    virtualSize: size,
    clusterBits: bits,
    l1Size,
    l1TableOffset,
    refcountTableOffset,
    refcountTableClusters,
    refcountOrder: u32("refcount_order"),
    compressionType,
  };
}

function decodeCompression(view: DataView, headerLength: number): "zlib" | "zstd" {
  const features = view.getBigUint64(at.incompatible_features);
  const unknown = features & ~BigInt(compressionTypeBit);
  if (unknown !== 0n) {
    throw headerInvalid(
      "incompatible_features",
      `0x${features.toString(16)}`,
      "no bit but 3 (compression type) set",
    );
  }
  const present = headerLength > at.compression_type && view.byteLength > at.compression_type;
  const type = present ? view.getUint8(at.compression_type) : 0;
  expect("compression_type", type, features === 0n ? 0 : zstd);
  return type === zstd ? "zstd" : "zlib";
}

function expect(field: string, value: number, expected: number): void {
  if (value !== expected) throw headerInvalid(field, String(value), String(expected));
}

function within(field: string, value: number, least: number, most: number): void {
  if (value < least || value > most) {
    throw headerInvalid(field, String(value), `${least} to ${most}`);
  }
}

function multiple(field: string, value: number, unit: number): void {
  if (value % unit !== 0) throw headerInvalid(field, String(value), `a multiple of ${unit}`);
}

function safe(field: string, value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw headerInvalid(field, String(value), `at most ${Number.MAX_SAFE_INTEGER}`);
  }
  return Number(value);
}

function headerInvalid(field: string, value: string, expected: string): VmbError {
  return new VmbError(
    `Reading of the qcow2 header failed: ${field}: got ${value}, expected ${expected}`,
    { code: "qcow2.header" },
  );
}

function hex(bytes: Uint8Array): string {
  return bytes.length === 0 ? "nothing" : `0x${bytes.toHex()}`;
}
