import assert from "node:assert/strict";
import { createClusterDigest, digestLength } from "../../../core/block_map/cluster_digest.ts";
import { decodeBlockMap } from "../../../core/block_map/decoder.ts";
import { FileDigest } from "../../../core/block_map/file_digest.ts";
import { type ImagePlan, ImageWriter } from "../../../core/copy/image_writer.ts";
import { type DigestedChunk, verdicts } from "../../../core/copy/messages.ts";
import { clusterSize } from "../../../core/qcow2/cluster.ts";
import { predictLayout } from "../../../core/qcow2/layout.ts";
import { openImage } from "../../../core/qcow2/reader.ts";
import type { Sink } from "../../../core/sys/files.ts";

const seed = "0123456789abcdef";
const hasher = await createClusterDigest(seed);

Deno.test("ImageWriter makes image and block map durable after their last byte, and then closes them", () => {
  const { writer, image, map } = writing(4);
  writer.add(chunkOf(["data", "zero", "data"]));
  const { fileSize, blockMapSize } = writer.finish();
  for (const [file, size] of [[image, fileSize], [map, blockMapSize]] as const) {
    assert.deepEqual(file.calls.slice(-2), ["sync", "close"]);
    assert.equal(file.calls.indexOf("sync"), file.calls.length - 2);
    assert.equal(file.bytes().length, size);
  }
});

Deno.test("ImageWriter makes no file durable that it cannot write to its end", () => {
  const { writer, image } = writing(4, {
    sync() {
      throw new Error("EIO");
    },
  });
  writer.add(chunkOf(["data"]));
  assert.throws(() => writer.finish(), /EIO/);
  assert.ok(!image.calls.includes("close"));
});

Deno.test("ImageWriter places in the map what is not zero, and stores only what is data", async () => {
  const { writer, image, map } = writing(6);
  writer.add(chunkOf(["data", "same", "zero", "same", "data", "data"]));
  const result = writer.finish();
  const entries = [...decodeBlockMap(map.bytes()).entries];
  assert.deepEqual(entries.map(({ cluster }) => cluster), [0, 1, 3, 4, 5]);
  for (const { cluster, digest } of entries) assert.deepEqual(digest, hasher.of(content(cluster)));
  const bytes = image.bytes();
  const { extents } = await openImage(
    (offset, length) => bytes.subarray(offset, offset + length),
    bytes.length,
  );
  const stored: number[] = [];
  for await (const extent of extents) {
    assert.equal(extent.kind, "data");
    if (extent.kind !== "data") continue;
    for (let index = 0; index < extent.count; index++) {
      const at: number = extent.offset + index * clusterSize;
      assert.deepEqual(bytes.subarray(at, at + clusterSize), content(extent.first + index));
      stored.push(extent.first + index);
    }
  }
  assert.deepEqual(stored, [0, 4, 5]);
  assert.equal(result.storedBytes, 3 * clusterSize);
});

Deno.test("ImageWriter tells the digests of the file that is there at its end", () => {
  for (const judged of [["data", "data", "data"], ["zero", "zero", "zero"], []] as const) {
    const { writer, image } = writing(40);
    if (judged.length > 0) writer.add(chunkOf(judged));
    const { fileDigests, corrected, fileSize } = writer.finish();
    const digest = new FileDigest(hasher);
    digest.add(image.bytes());
    assert.equal(image.bytes().length, fileSize);
    assert.deepEqual(fileDigests, digest.finish());
    // Far less was stored than was foreseen.
    assert.equal(corrected, true);
  }
});

/** A disk of so many clusters, all allocated, written to memory. */
function writing(clusters: number, changes: Partial<Sink> = {}) {
  const virtualSize = clusters * clusterSize;
  const layout = predictLayout({
    virtualSize,
    dataClusters: [{ segment: 0, clusters }],
    compression: "none",
  });
  const plan: ImagePlan = { imagePath: "", blockMapPath: "", layout, virtualSize, seed };
  const [image, map] = [memoryFile(changes), memoryFile()];
  const sinks = { image: image.sink, map: map.sink };
  return { writer: new ImageWriter(plan, new FileDigest(hasher), sinks), image, map };
}

function chunkOf(judged: readonly (keyof typeof verdicts)[]): DigestedChunk {
  const clusters = judged.length;
  const buffer = new ArrayBuffer(1024 * 1024);
  const stored = new Uint32Array(clusters);
  const digests = new Uint8Array(clusters * digestLength);
  let at = 0;
  for (const [cluster, verdict] of judged.entries()) {
    if (verdict !== "zero") digests.set(hasher.of(content(cluster)), cluster * digestLength);
    if (verdict !== "data") continue;
    new Uint8Array(buffer).set(content(cluster), at);
    stored[cluster] = clusterSize;
    at += clusterSize;
  }
  const numbers = Uint8Array.from(judged, (verdict) => verdicts[verdict]);
  const place = { sequence: 0, firstCluster: 0, clusters, buffer };
  return { kind: "chunk", ...place, verdicts: numbers, stored, digests, busyMs: 0 };
}

function content(cluster: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(clusterSize).fill(cluster + 1);
}

function memoryFile(changes: Partial<Sink> = {}) {
  const calls: string[] = [];
  const written = new Map<number, Uint8Array>();
  const sink: Sink = {
    writeAt(bytes, offset) {
      calls.push("write");
      written.set(offset, bytes.slice());
    },
    truncate: () => calls.push("truncate"),
    sync: () => calls.push("sync"),
    close: () => calls.push("close"),
    ...changes,
  };
  const bytes = () => {
    const size = Math.max(...[...written].map(([offset, { length }]) => offset + length));
    const whole = new Uint8Array(size);
    for (const [offset, part] of written) whole.set(part, offset);
    return whole;
  };
  return { sink, calls, bytes };
}
