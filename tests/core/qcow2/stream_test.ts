import fc from "fast-check";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { zstdCompressSync } from "node:zlib";
import type { Chunk } from "../../../core/qcow2/chunk.ts";
import { clusterSize, clustersPerSegment } from "../../../core/qcow2/cluster.ts";
import { predictLayout } from "../../../core/qcow2/layout.ts";
import { openImage } from "../../../core/qcow2/reader.ts";
import { Qcow2Stream } from "../../../core/qcow2/stream.ts";
import { type Plan, plans, writeImage, writeRaw, type Written } from "./image_plan.ts";
import { check, inFolder, map, qemu } from "./qemu_img.ts";

const GiB = 1024 ** 3;

Deno.test("Qcow2Stream writes images that qemu-img finds whole and equal to the disk", async () => {
  await fc.assert(
    fc.asyncProperty(plans, (plan) =>
      inFolder(async (folder) => {
        const image = writeImage(`${folder}/image.qcow2`, plan);
        writeRaw(`${folder}/reference.raw`, plan);
        await expectWhole(plan, image);
        await expectMapped(image);
        const files = [`${folder}/reference.raw`, image.path];
        await qemu("qemu-img", "compare", "-f", "raw", "-F", "qcow2", ...files);
      })),
    { numRuns: 100 },
  );
});

Deno.test("Qcow2Stream leaves a gap when little less was stored, and its header stays true", async () => {
  await inFolder(async (folder) => {
    const plan = partlyZero(100, 8);
    const image = writeImage(`${folder}/image.qcow2`, plan);
    assert.deepEqual(image.ending.gap, {
      offset: (1 + 92 + 1) * clusterSize,
      length: 8 * clusterSize,
    });
    assert.equal(image.ending.correctedHeader, undefined);
    assert.equal(image.ending.fileSize, image.layout.tail.fileSize);
    await expectWhole(plan, image);
    await expectMapped(image);
  });
});

Deno.test("Qcow2Stream corrects the header when much less was stored", async () => {
  await inFolder(async (folder) => {
    const plan = partlyZero(100, 50);
    const image = writeImage(`${folder}/image.qcow2`, plan);
    assert.equal(image.ending.gap, undefined);
    assert.equal(image.ending.correctedHeader?.offset, 0);
    assert.equal(image.ending.fileSize, image.layout.tail.fileSize - 50 * clusterSize);
    await expectWhole(plan, image);
    await expectMapped(image);
  });
});

Deno.test("Qcow2Stream keeps the tail for a gap of 1/8 of the file, not for one cluster more", () => {
  // Header, 60 clusters, L2 table and a tail of three: 65 clusters, of which 8 are less than 1/8.
  for (const [zeros, kept] of [[0, true], [8, true], [9, false], [60, false]] as const) {
    const stream = new Qcow2Stream(layoutOfSegment(60));
    if (zeros < 60) stream.placeRun(0, 60 - zeros);
    const ending = stream.finish();
    assert.equal(ending.correctedHeader === undefined, kept, `${zeros} of zeros`);
    assert.equal(ending.gap?.length, kept && zeros > 0 ? zeros * clusterSize : undefined);
  }
});

Deno.test("Qcow2Stream addresses and counts clusters beyond 4 GiB of the file, plain and compressed", async () => {
  await inFolder(async (folder) => {
    const count = 10 * clustersPerSegment;
    const last = count + 700;
    const layout = predictLayout({
      virtualSize: 6 * GiB,
      compression: "zstd",
      dataClusters: Array.from({ length: 11 }, (_, segment) => ({ segment, clusters: 8192 })),
    });
    const stream = new Qcow2Stream(layout);
    const path = `${folder}/image.qcow2`;
    using file = Deno.openSync(path, { createNew: true, write: true });
    const write = ({ offset, bytes }: Chunk): void => {
      file.seekSync(offset, Deno.SeekMode.Start);
      assert.equal(file.writeSync(bytes), bytes.length);
    };
    write(stream.header());
    for (let cluster = 0; cluster < count; cluster += 32) {
      stream.placeRun(cluster, 32).before.forEach(write);
    }
    // So many frames share a cluster of the file that its refcount needs more than a byte.
    const bytes = new Uint8Array(clusterSize).fill(0xa5);
    const frame = new Uint8Array(zstdCompressSync(bytes));
    for (let cluster = count; cluster < last; cluster++) {
      const { offset, before } = stream.place(cluster, frame.length);
      [...before, { offset, bytes: frame }].forEach(write);
    }
    const { offset, before } = stream.placeRun(last, 1);
    assert.ok(offset > 5 * GiB);
    [...before, { offset, bytes }].forEach(write);
    const ending = stream.finish();
    for (const chunk of ending.chunks) write(chunk);
    if (ending.correctedHeader) write(ending.correctedHeader);
    await check(path);
    const read = (pattern: number, from: number, length: number) =>
      `read -P ${pattern} ${from * clusterSize} ${length * clusterSize}`;
    const commands = [read(0, count - 8, 8), read(0xa5, count, 701), read(0, last + 1, 8)];
    await qemu("qemu-io", "-r", "-f", "qcow2", ...commands.flatMap((c) => ["-c", c]), path);
  });
});

Deno.test("Qcow2Stream keeps the memory of a sparse 1 PiB disk small", () => {
  const layout = predictLayout({
    virtualSize: 2 ** 50,
    compression: "none",
    dataClusters: [{ segment: 2 ** 21 - 1, clusters: 1 }],
  });
  const stream = new Qcow2Stream(layout);
  stream.place(2 ** 34 - 1, clusterSize);
  const { chunks, fileSize } = stream.finish();
  let largest = 0;
  for (const { bytes } of chunks) largest = Math.max(largest, bytes.length);
  assert.equal(largest, clusterSize);
  assert.equal(fileSize, (3 + 256 + 2) * clusterSize);
});

Deno.test("Qcow2Stream refuses clusters out of order, outside the disk or across segments", () => {
  const stream = new Qcow2Stream(layoutOfSegment(8192, 8192));
  stream.placeRun(10, 2);
  const refused = [[11, 1], [8191, 2], [16_384, 1], [-1, 1], [20, 0], [20.5, 1]] as const;
  for (const [first, count] of refused) {
    assert.throws(
      () => stream.placeRun(first, count),
      { code: "qcow2.order" },
      `${first} ${count}`,
    );
  }
  stream.finish();
  assert.throws(() => stream.place(12, clusterSize), { code: "qcow2.order" });
});

Deno.test("Qcow2Stream refuses clusters that were not predicted", () => {
  const stream = new Qcow2Stream(layoutOfSegment(2));
  stream.placeRun(0, 1);
  assert.throws(() => stream.placeRun(1, 2), { code: "qcow2.unpredicted" });
  stream.placeRun(100, 1);
  assert.throws(() => stream.placeRun(101, 1), { code: "qcow2.unpredicted" });
  const empty = new Qcow2Stream(
    predictLayout({ virtualSize: GiB, compression: "none", dataClusters: [] }),
  );
  assert.throws(() => empty.placeRun(0, 1), { code: "qcow2.unpredicted" });
});

Deno.test("Qcow2Stream refuses compressed sizes that cannot be", () => {
  const plain = new Qcow2Stream(layoutOfSegment(8));
  assert.throws(() => plain.place(0, 100), { code: "qcow2.compressed" });
  const packed = new Qcow2Stream(
    predictLayout({
      virtualSize: GiB,
      compression: "zstd",
      dataClusters: [{ segment: 0, clusters: 8 }],
    }),
  );
  for (const bytes of [0, 3, 65_537, 10.5]) {
    assert.throws(() => packed.place(0, bytes), { code: "qcow2.compressed" });
  }
});

async function expectWhole(plan: Plan, image: Written): Promise<void> {
  const report = await check(image.path);
  assert.equal(report["image-end-offset"], image.ending.fileSize);
  const bytes = Deno.readFileSync(image.path);
  assert.equal(bytes.length, image.ending.fileSize);
  assert.ok(bytes.length <= image.layout.tail.fileSize);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  assert.equal(sha256 !== image.sha256, image.ending.correctedHeader !== undefined);
  const info = JSON.parse(await qemu("qemu-img", "info", "--output=json", image.path));
  assert.equal(info["virtual-size"], Math.ceil(plan.virtualSize / 512) * 512);
  assert.equal(info["cluster-size"], clusterSize);
  assert.equal(info["dirty-flag"], false);
  const { compat, "refcount-bits": bits, "compression-type": type } = info["format-specific"].data;
  assert.deepEqual([compat, bits, type], [
    "1.1",
    16,
    plan.compression === "zstd" ? "zstd" : "zlib",
  ]);
}

/** qemu's map and our reader both say of each cluster what the writer did with it. */
async function expectMapped(image: Written): Promise<void> {
  const clusters = new Set<number>();
  let mapped = 0;
  for (const { start, length, zero, data, offset } of await map(image.path)) {
    assert.equal(start, mapped);
    mapped += length;
    // An empty disk has one entry, of length 0.
    assert.equal(zero, !data && length > 0);
    if (!data) continue;
    for (let at = start; at < start + length; at += clusterSize) {
      const cluster = at / clusterSize;
      clusters.add(cluster);
      const stored = image.stored.get(cluster);
      const expected = stored?.length === clusterSize ? stored.offset : undefined;
      assert.equal(offset === undefined ? undefined : offset + at - start, expected);
    }
  }
  assert.deepEqual(clusters, new Set(image.stored.keys()));

  using file = Deno.openSync(image.path);
  const read = new Map<number, number>();
  const { extents, header } = await openImage((offset, length) => {
    const bytes = new Uint8Array(length);
    file.seekSync(offset, Deno.SeekMode.Start);
    return bytes.subarray(0, file.readSync(bytes) ?? 0);
  }, image.ending.fileSize);
  assert.equal(header.virtualSize, image.layout.virtualSize);
  for await (const extent of extents) {
    assert.notEqual(extent.kind, "zero");
    if (extent.kind === "zero") continue;
    for (let i = 0; i < extent.count; i++) {
      read.set(extent.first + i, extent.offset + i * clusterSize);
    }
    if (extent.kind !== "compressed") continue;
    const length = image.stored.get(extent.first)?.length ?? 0;
    assert.ok(extent.length >= length && extent.length < length + 512);
  }
  assert.deepEqual(
    read,
    new Map([...image.stored].map(([cluster, { offset }]) => [cluster, offset])),
  );
}

function partlyZero(clusters: number, zeros: number): Plan {
  return {
    virtualSize: GiB,
    compression: "none",
    clusters: new Map(
      Array.from({ length: clusters }, (_, i) => [i * 3, i < zeros ? "zeros" : "noise"]),
    ),
  };
}

function layoutOfSegment(...bounds: number[]) {
  return predictLayout({
    virtualSize: GiB,
    compression: "none",
    dataClusters: bounds.map((clusters, segment) => ({ segment, clusters })),
  });
}
