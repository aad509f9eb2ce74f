import { getL2Entry, getOffset, type L2Entry } from "./entry.ts";
import { decodeHeader, type Header, headerBytes } from "./header.ts";
import { HostClusters, imageInvalid } from "./host_clusters.ts";

/** Reads `length` bytes at `offset` of the image file; fewer only at the end of the file. */
export type ReadAt = (offset: number, length: number) => Uint8Array | Promise<Uint8Array>;

/**
 * Guest clusters that an image maps; those that no extent covers are unallocated. `first` and
 * `count` are in clusters, the rest in bytes of the file.
 */
export type Extent =
  /** Stored one behind the other from `offset`. */
  | {
    readonly kind: "data";
    readonly first: number;
    readonly count: number;
    readonly offset: number;
  }
  | { readonly kind: "zero"; readonly first: number; readonly count: number }
  /** `length` runs to the end of the last 512-byte sector used: the frame may end before it. */
  | {
    readonly kind: "compressed";
    readonly first: number;
    readonly count: 1;
    readonly offset: number;
    readonly length: number;
  };

export interface Image {
  readonly header: Header;
  /**
   * Yields the extents in guest order, none crossing an L2 table. To be iterated once.
   *
   * @throws {VmbError} `qcow2.image` for an entry that points outside the file, is not aligned, has
   *   reserved bits set, or shares a cluster with metadata or other data
   */
  readonly extents: AsyncIterable<Extent>;
}

/**
 * Opens the image that `readAt` reads. The image must stand alone, as for `decodeHeader`; refcounts
 * are not compared with the references found, `qemu-img check` does that.
 *
 * @param fileSize bytes
 * @throws {VmbError} `qcow2.header`, or `qcow2.image` for tables that are not inside the file or
 *   overlap
 */
export async function openImage(readAt: ReadAt, fileSize: number): Promise<Image> {
  const header = decodeHeader(await readAt(0, Math.min(headerBytes, fileSize)));
  const clusterSize = 2 ** header.clusterBits;
  const hostClusters = new HostClusters(clusterSize, fileSize);
  const table = async (what: string, offset: number, length: number): Promise<DataView> => {
    hostClusters.takeWhole(what, offset, length);
    return await readTable(readAt, what, offset, length);
  };

  hostClusters.takeWhole("header", 0, clusterSize);
  const l1 = header.l1Size === 0
    ? new DataView(new ArrayBuffer(0))
    : await table("L1 table", header.l1TableOffset, header.l1Size * 8);
  const refcountTable = await table(
    "refcount table",
    header.refcountTableOffset,
    header.refcountTableClusters * clusterSize,
  );
  for (const [index, offset] of offsets("refcount table", refcountTable)) {
    hostClusters.takeWhole(`refcount block ${index}`, offset, clusterSize);
  }
  const l2Tables = [...offsets("L1 table", l1)];
  for (const [index, offset] of l2Tables) {
    hostClusters.takeWhole(`L2 table ${index}`, offset, clusterSize);
  }

  async function* extents(): AsyncGenerator<Extent> {
    for (const [index, offset] of l2Tables) {
      const l2 = await readTable(readAt, `L2 table ${index}`, offset, clusterSize);
      yield* tableExtents(l2, index * clusterSize / 8, header, hostClusters);
    }
  }
  return { header, extents: extents() };
}

async function readTable(
  readAt: ReadAt,
  what: string,
  offset: number,
  length: number,
): Promise<DataView> {
  const bytes = await readAt(offset, length);
  if (bytes.length !== length) {
    throw imageInvalid(what, `got ${bytes.length} bytes at ${offset}: expected ${length}`);
  }
  return new DataView(bytes.buffer, bytes.byteOffset, length);
}

function* offsets(
  what: "L1 table" | "refcount table",
  table: DataView,
): Generator<readonly [index: number, offset: number]> {
  for (let index = 0; index < table.byteLength / 8; index++) {
    const offset = getOffset(table, index, what === "L1 table" ? "l1" : "refcount");
    if (offset === undefined) throw imageInvalid(`${what} entry ${index}`, "reserved bits are set");
    if (offset !== 0) yield [index, offset];
  }
}

function* tableExtents(
  table: DataView,
  firstCluster: number,
  header: Header,
  hostClusters: HostClusters,
): Generator<Extent> {
  const clusterSize = 2 ** header.clusterBits;
  const end = Math.ceil(header.virtualSize / clusterSize);
  let open: Extent | undefined;
  for (let index = 0; index < table.byteLength / 8; index++) {
    const cluster = firstCluster + index;
    const what = `guest cluster ${cluster}`;
    const entry = getL2Entry(table, index, header.clusterBits);
    if (entry.kind === "invalid") throw imageInvalid(what, "reserved bits of its entry are set");
    if (entry.kind === "unallocated") continue;
    if (cluster >= end) throw imageInvalid(what, `expected at most ${end - 1}`);
    claim(hostClusters, what, entry, clusterSize);
    const longer = open && extend(open, cluster, entry, clusterSize);
    if (open && !longer) yield open;
    open = longer ?? startExtent(cluster, entry);
  }
  if (open) yield open;
}

type Mapped = Exclude<L2Entry, { kind: "unallocated" | "invalid" }>;

function claim(
  hostClusters: HostClusters,
  what: string,
  entry: Mapped,
  clusterSize: number,
): void {
  if (entry.kind === "compressed") hostClusters.share(what, entry.offset, entry.length);
  else if (entry.offset !== 0) hostClusters.take(what, entry.offset, clusterSize);
}

function startExtent(first: number, entry: Mapped): Extent {
  switch (entry.kind) {
    case "data":
      return { kind: "data", first, count: 1, offset: entry.offset };
    case "zero":
      return { kind: "zero", first, count: 1 };
    case "compressed":
      return { ...entry, first, count: 1 };
  }
}

function extend(
  extent: Extent,
  cluster: number,
  entry: Mapped,
  clusterSize: number,
): Extent | undefined {
  if (extent.first + extent.count !== cluster) return undefined;
  if (extent.kind === "zero" && entry.kind === "zero") {
    return { ...extent, count: extent.count + 1 };
  }
  const follows = extent.kind === "data" && entry.kind === "data" &&
    extent.offset + extent.count * clusterSize === entry.offset;
  return follows ? { ...extent, count: extent.count + 1 } : undefined;
}
