import fc from "fast-check";
import { createHash } from "node:crypto";
import { zstdCompressSync } from "node:zlib";
import type { Chunk } from "../../../core/qcow2/chunk.ts";
import { clusterCount, clusterSize, clustersPerSegment } from "../../../core/qcow2/cluster.ts";
import { type Compression, type Layout, predictLayout } from "../../../core/qcow2/layout.ts";
import { type Ending, Qcow2Stream } from "../../../core/qcow2/stream.ts";

/** `zeros` is allocated on the disk, and found to be all zero when it is read. */
export type Content = "noise" | "half" | "pattern" | "zeros";

/** A disk: what its allocated clusters hold. */
export interface Plan {
  readonly virtualSize: number;
  readonly compression: Compression;
  readonly clusters: ReadonlyMap<number, Content>;
}

export interface Written {
  readonly path: string;
  readonly layout: Layout;
  readonly ending: Omit<Ending, "chunks">;
  /** Host offset and bytes of each stored cluster. */
  readonly stored: ReadonlyMap<number, { readonly offset: number; readonly length: number }>;
  /** SHA-256 of the stream as it was sent, gap included. */
  readonly sha256: string;
}

const GiB = 1024 ** 3;

const sizes = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom(0, 1, 511, 512, 513, 65_535, 65_536, 65_537) },
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 2 * GiB }) },
  { weight: 3, arbitrary: fc.constantFrom(1, 2, 3).map((n) => n * GiB / 2) },
  { weight: 2, arbitrary: fc.integer({ min: 2048 * GiB, max: 10_240 * GiB }) },
);

const contents = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom<Content>("noise", "half", "pattern") },
  { weight: 1, arbitrary: fc.constant<Content>("zeros") },
);

/** A run of clusters with one content, somewhere, at the start of a segment, or across its start. */
const runs = fc.record({
  where: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
  snap: fc.constantFrom("none", "segment", "across", "end"),
  length: fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 24 })),
  content: contents,
});

export const plans: fc.Arbitrary<Plan> = fc.record({
  virtualSize: sizes,
  compression: fc.constantFrom<Compression>("none", "zstd"),
  runs: fc.array(runs, { maxLength: 14 }),
}).map(({ virtualSize, compression, runs }) => {
  const total = clusterCount(virtualSize);
  const clusters = new Map<number, Content>();
  for (const { where, snap, length, content } of runs) {
    const at = Math.floor(where * total);
    const segmentStart = at - at % clustersPerSegment;
    const first = {
      none: at,
      segment: segmentStart,
      across: segmentStart - 2,
      end: total - length,
    };
    for (let index = first[snap]; index < first[snap] + length; index++) {
      if (index >= 0 && index < total) clusters.set(index, content);
    }
  }
  return { virtualSize, compression, clusters: new Map([...clusters].sort(([a], [b]) => a - b)) };
});

/** Returns what a cluster holds; its part beyond the end of the disk is zeros. */
export function clusterContent(plan: Plan, cluster: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(clusterSize);
  const inside = bytes.subarray(0, plan.virtualSize - cluster * clusterSize);
  const content = plan.clusters.get(cluster) ?? "zeros";
  if (content === "pattern") inside.fill(1 + cluster % 255);
  if (content === "noise") fillNoise(inside, cluster);
  if (content === "half") fillNoise(inside.subarray(0, clusterSize / 2), cluster);
  return bytes;
}

export function layoutOf(plan: Plan): Layout {
  const segments = [...plan.clusters.keys()].map((cluster) =>
    Math.floor(cluster / clustersPerSegment)
  );
  return predictLayout({
    virtualSize: plan.virtualSize,
    compression: plan.compression,
    dataClusters: segments.map((segment) => ({ segment, clusters: 1 })),
  });
}

/** Writes the image of a plan, and fails when a chunk does not follow the bytes before it. */
export function writeImage(path: string, plan: Plan): Written {
  const layout = layoutOf(plan);
  const stream = new Qcow2Stream(layout);
  const stored = new Map<number, { offset: number; length: number }>();
  using file = Deno.openSync(path, { createNew: true, write: true });
  const hash = createHash("sha256");
  let position = 0;
  const append = ({ offset, bytes }: Chunk): void => {
    if (offset !== position) throw new Error(`Chunk at ${offset}, expected at ${position}`);
    writeAll(file, bytes);
    hash.update(bytes);
    position += bytes.length;
  };

  append(stream.header());
  const cells = [...plan.clusters.keys()];
  for (let index = 0; index < cells.length;) {
    const cluster = cells[index] ?? 0;
    const parts = [storedForm(plan, cluster)];
    // Clusters stored as they are go as a run, like a caller that reads several at once.
    while (
      parts[0]?.length === clusterSize && cells[index + parts.length] === cluster + parts.length
    ) {
      if ((cluster + parts.length) % clustersPerSegment === 0) break;
      const next = storedForm(plan, cluster + parts.length);
      if (next.length !== clusterSize) break;
      parts.push(next);
    }
    const length = parts[0]?.length ?? 0;
    if (length > 0) {
      const { offset, before } = length === clusterSize
        ? stream.placeRun(cluster, parts.length)
        : stream.place(cluster, length);
      before.forEach(append);
      parts.forEach((bytes, i) => {
        append({ offset: offset + i * clusterSize, bytes });
        stored.set(cluster + i, { offset: offset + i * clusterSize, length });
      });
    }
    index += parts.length;
  }
  const { chunks, ...ending } = stream.finish();
  for (const chunk of chunks) {
    if (position === ending.gap?.offset) {
      hash.update(new Uint8Array(ending.gap.length));
      position += ending.gap.length;
      file.seekSync(position, Deno.SeekMode.Start);
    }
    append(chunk);
  }
  if (position !== ending.fileSize) {
    throw new Error(`File of ${position}, expected ${ending.fileSize}`);
  }
  if (ending.correctedHeader) {
    file.seekSync(ending.correctedHeader.offset, Deno.SeekMode.Start);
    writeAll(file, ending.correctedHeader.bytes);
  }
  return { path, layout, ending, stored, sha256: hash.digest("hex") };
}

/** Writes the content of a plan as a sparse raw file, of the size that its image has. */
export function writeRaw(path: string, plan: Plan): void {
  using file = Deno.openSync(path, { createNew: true, write: true });
  const size = Math.ceil(plan.virtualSize / 512) * 512;
  file.truncateSync(size);
  for (const [cluster, content] of plan.clusters) {
    if (content === "zeros") continue;
    file.seekSync(cluster * clusterSize, Deno.SeekMode.Start);
    writeAll(file, clusterContent(plan, cluster).subarray(0, size - cluster * clusterSize));
  }
}

/** What is stored of a cluster: nothing, a zstd frame, or the cluster. */
function storedForm(plan: Plan, cluster: number): Uint8Array<ArrayBuffer> {
  if (plan.clusters.get(cluster) === "zeros") return new Uint8Array(0);
  const bytes = clusterContent(plan, cluster);
  if (plan.compression === "none") return bytes;
  const frame = new Uint8Array(zstdCompressSync(bytes));
  return frame.length < clusterSize ? frame : bytes;
}

function fillNoise(bytes: Uint8Array, seed: number): void {
  let state = seed * 2_654_435_761 % 2 ** 32 | 1;
  for (let index = 0; index < bytes.length; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[index] = state;
  }
}

function writeAll(file: Deno.FsFile, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
}
