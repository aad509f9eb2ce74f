import { clusterBits } from "./cluster.ts";

/** What an L2 table says of one guest cluster. */
export type L2Entry =
  | { readonly kind: "unallocated" }
  /** Reads as zeros; `offset` is a preallocated host cluster, 0 when there is none. */
  | { readonly kind: "zero"; readonly offset: number }
  | { readonly kind: "data"; readonly offset: number }
  /** `length` runs to the end of the last 512-byte sector used: the data may end before it. */
  | { readonly kind: "compressed"; readonly offset: number; readonly length: number }
  /** Bits that must be clear are set. */
  | { readonly kind: "invalid" };

const copied = 0x8000_0000;
const compressed = 0x4000_0000;
const sectorSize = 512;

/**
 * Writes an L1 entry, or the L2 entry of a standard cluster, whose target has a refcount of exactly
 * one (qcow2.txt, "Cluster mapping").
 *
 * Written as two words: a bigint for each cluster would cost more than the rest of its placement.
 */
export function setEntry(table: DataView, index: number, offset: number): void {
  table.setUint32(index * 8, (highWord(offset) | copied) >>> 0);
  table.setUint32(index * 8 + 4, offset >>> 0);
}

/** Writes a refcount table entry: a bare offset. */
export function setOffset(table: DataView, index: number, offset: number): void {
  table.setUint32(index * 8, highWord(offset));
  table.setUint32(index * 8 + 4, offset >>> 0);
}

/**
 * Writes the L2 entry of a compressed cluster of `length` bytes at `offset`, aligned or not
 * (qcow2.txt, "Compressed Clusters Descriptor"). Such an entry never has the COPIED flag.
 */
export function setCompressedEntry(
  table: DataView,
  index: number,
  offset: number,
  length: number,
): void {
  const moreSectors = Math.floor((offset % sectorSize + length - 1) / sectorSize);
  const word = compressed | moreSectors << (offsetBits(clusterBits) - 32) | highWord(offset);
  table.setUint32(index * 8, word >>> 0);
  table.setUint32(index * 8 + 4, offset >>> 0);
}

/** Reads an L1 or refcount table entry; `undefined` when bits that must be clear are set. */
export function getOffset(
  table: DataView,
  index: number,
  kind: "l1" | "refcount",
): number | undefined {
  const high = table.getUint32(index * 8);
  const low = table.getUint32(index * 8 + 4);
  if ((low & 0x1ff) !== 0) return undefined;
  if (kind === "refcount") return high * 2 ** 32 + low;
  if ((high & 0x7f00_0000) !== 0) return undefined;
  return (high & 0x00ff_ffff) * 2 ** 32 + low;
}

/** Reads an entry of an L2 table of an image with clusters of `1 << bits` bytes. */
export function getL2Entry(table: DataView, index: number, bits: number): L2Entry {
  const high = table.getUint32(index * 8);
  const low = table.getUint32(index * 8 + 4);
  if (high === 0 && low === 0) return { kind: "unallocated" };
  if ((high & compressed) !== 0) return compressedEntry(high, low, bits);
  if ((high & 0x3f00_0000) !== 0 || (low & 0x1fe) !== 0) return { kind: "invalid" };
  const zero = (low & 1) === 1;
  const offset = (high & 0x00ff_ffff) * 2 ** 32 + low - (zero ? 1 : 0);
  if (zero) return { kind: "zero", offset };
  return offset === 0 ? { kind: "invalid" } : { kind: "data", offset };
}

function compressedEntry(high: number, low: number, bits: number): L2Entry {
  const shift = offsetBits(bits) - 32;
  const offsetHigh = high & (2 ** shift - 1);
  if (high >>> 31 === 1 || offsetHigh > 0x00ff_ffff) return { kind: "invalid" };
  const offset = offsetHigh * 2 ** 32 + low;
  const moreSectors = (high >>> shift) & (2 ** (bits - 8) - 1);
  return {
    kind: "compressed",
    offset,
    length: (moreSectors + 1) * sectorSize - offset % sectorSize,
  };
}

/**
 * The specification's `x`: bits of the descriptor that hold the offset; the sector count follows.
 */
function offsetBits(bits: number): number {
  return 62 - (bits - 8);
}

function highWord(offset: number): number {
  return Math.floor(offset / 2 ** 32);
}
