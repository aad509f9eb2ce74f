/** Clusters of 64 KiB: qemu's own default, and the unit in which disks are copied and compared. */
export const clusterBits = 16;

/** Bytes of a cluster, of guest data as of the image file. */
export const clusterSize = 65_536;

/**
 * Guest clusters that one L2 table maps: a table is one cluster of 8-byte entries. A segment is
 * that part of the disk, 512 MiB, and is the unit in which an image is laid out.
 */
export const clustersPerSegment = clusterSize / 8;

/** Clusters that a disk of `virtualSize` bytes has; the last one may be partial. */
export function clusterCount(virtualSize: number): number {
  return Math.ceil(virtualSize / clusterSize);
}

/** Rounds up to a multiple of `unit`; exact up to 2^53, where bit operations end at 2^32. */
export function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
