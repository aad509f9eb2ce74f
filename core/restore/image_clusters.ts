import { createHash } from "node:crypto";
import { zstdDecompressSync } from "node:zlib";
import { VmbError } from "../error.ts";
import { clusterBits, clusterSize } from "../qcow2/cluster.ts";
import { type Extent, type Image, openImage, type ReadAt } from "../qcow2/reader.ts";
import type { Source } from "../sys/files.ts";
import { zstdFrameLength } from "./zstd_frame.ts";

/** A compressed cluster is never longer than an uncompressed one, and ends within a sector. */
const longestFrame = clusterSize + 512;

interface PassOptions {
  /** Bytes read at once, a multiple of a cluster. */
  readonly pieceSize: number;
  /** Every byte of the file, in order; `end` is the place after them. The bytes are reused. */
  readonly onRead: (bytes: Uint8Array, end: number) => void;
  /** Whole clusters of the guest's disk, in guest order. The bytes are reused. */
  readonly onClusters: (first: number, bytes: Uint8Array) => void;
}

/** A table that was read ahead of the pass. */
interface SeenTable {
  readonly offset: number;
  readonly length: number;
  readonly sha256: string;
}

/**
 * Reads an image of ours front to back, once, and hands out its clusters on the way. Only its tables are read
 * ahead; the pass compares them, so that what it hashes is what was followed.
 *
 * @throws {VmbError} `restore.image` for an image that is not laid out as ours are, or that changes while it is
 *   read; the reader's errors
 */
export async function readClusters(
  source: Source,
  { pieceSize, onRead, onClusters }: PassOptions,
): Promise<void> {
  const tables: SeenTable[] = [];
  const image = await openBackupImage(source, (table) => tables.push(table));
  const extents = image.extents[Symbol.asyncIterator]();
  let extent = await nextStored(extents);
  // What a piece leaves undecided is put before the next one.
  const buffer = new Uint8Array(longestFrame + pieceSize);
  let kept = 0;
  for (let position = 0;;) {
    const count = source.readAt(buffer.subarray(longestFrame), position);
    if (count === 0) break;
    onRead(buffer.subarray(longestFrame, longestFrame + count), position + count);
    const end = position + count;
    const start = position - kept;
    const window = buffer.subarray(longestFrame - kept, longestFrame + count);
    compareTables(tables, window, start, end);
    let least = end;
    while (extent !== undefined && extent.offset < end) {
      if (extent.offset < start) throw notOurs(`guest cluster ${extent.first} lies out of order`);
      if (extent.kind === "data") {
        const clusters = Math.min(
          extent.count,
          Math.floor((end - extent.offset) / clusterSize),
        );
        const at = extent.offset - start;
        if (clusters === 0) {
          least = extent.offset;
          break;
        }
        onClusters(extent.first, window.subarray(at, at + clusters * clusterSize));
        extent = clusters === extent.count ? await nextStored(extents) : {
          ...extent,
          first: extent.first + clusters,
          count: extent.count - clusters,
          offset: extent.offset + clusters * clusterSize,
        };
        continue;
      }
      // A frame's length is counted in sectors: the last one may go beyond the file.
      if (extent.offset + Math.min(extent.length, source.size - extent.offset) > end) {
        least = extent.offset;
        break;
      }
      const at = extent.offset - start;
      onClusters(extent.first, unpack(window.subarray(at, at + extent.length), extent.first));
      extent = await nextStored(extents);
    }
    for (const table of tables) least = Math.min(least, table.offset);
    kept = end - Math.max(least, start, end - longestFrame);
    buffer.copyWithin(longestFrame - kept, longestFrame + count - kept, longestFrame + count);
    position = end;
  }
  if (extent !== undefined) throw notOurs(`guest cluster ${extent.first} lies out of order`);
  if (tables.length > 0) throw notOurs("a table lies outside of it");
}

/**
 * Opens an image that a backup holds; its tables are read with small reads of their own.
 *
 * @param onTable gets each table, in pieces of at most one cluster, before it is followed
 */
export async function openBackupImage(
  source: Source,
  onTable: (table: SeenTable) => void = () => {},
): Promise<Image> {
  const readAt: ReadAt = (offset, length) => {
    const bytes = new Uint8Array(length);
    const got = bytes.subarray(0, source.readAt(bytes, offset));
    for (let at = 0; at < got.length; at += clusterSize) {
      const piece = got.subarray(at, at + clusterSize);
      onTable({ offset: offset + at, length: piece.length, sha256: sha256(piece) });
    }
    return got;
  };
  const image = await openImage(readAt, source.size);
  if (image.header.clusterBits === clusterBits) return image;
  throw notOurs(`its clusters have ${2 ** image.header.clusterBits} bytes`);
}

/** Takes out the tables that lie in the window, and compares them with how they were read before. */
function compareTables(
  tables: SeenTable[],
  window: Uint8Array,
  start: number,
  end: number,
): void {
  for (let index = tables.length - 1; index >= 0; index--) {
    const table = tables[index];
    if (table === undefined || table.offset < start || table.offset + table.length > end) continue;
    const at = table.offset - start;
    if (sha256(window.subarray(at, at + table.length)) !== table.sha256) {
      throw notOurs(`its table at ${table.offset} changed while it was read`);
    }
    tables.splice(index, 1);
  }
}

async function nextStored(
  extents: AsyncIterator<Extent>,
): Promise<Exclude<Extent, { kind: "zero" }> | undefined> {
  for (;;) {
    const { done, value } = await extents.next();
    if (done) return undefined;
    if (value.kind !== "zero") return value;
  }
}

function unpack(bytes: Uint8Array, cluster: number): Uint8Array {
  const length = zstdFrameLength(bytes);
  let unpacked: Uint8Array | undefined;
  try {
    if (length !== undefined) {
      unpacked = zstdDecompressSync(bytes.subarray(0, length), { maxOutputLength: clusterSize });
    }
  } catch {
    // Judged below.
  }
  if (unpacked?.length === clusterSize) return unpacked;
  throw notOurs(`guest cluster ${cluster} cannot be unpacked`);
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function notOurs(what: string): VmbError {
  return new VmbError(`Image of the backup cannot be restored: ${what}`, {
    code: "restore.image",
    hint: "Look at it with: vmb hv verify; or restore another backup",
  });
}
