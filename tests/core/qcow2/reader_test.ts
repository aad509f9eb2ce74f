import assert from "node:assert/strict";
import { clusterSize } from "../../../core/qcow2/cluster.ts";
import { type Extent, openImage } from "../../../core/qcow2/reader.ts";
import { writeImage } from "./image_plan.ts";
import { inFolder, map, qemu } from "./qemu_img.ts";

const MiB = 1024 ** 2;

Deno.test("openImage maps images of qemu-img as qemu-img does", async () => {
  await inFolder(async (folder) => {
    const raw = `${folder}/disk.raw`;
    await qemu("qemu-img", "create", "-q", "-f", "raw", raw, `${40 * MiB + 512}`);
    const writes = ["write -P 1 0 3M", "write -P 2 5111808 700k", "write -P 3 39M 1049088"];
    await qemu("qemu-io", "-f", "raw", ...writes.flatMap((c) => ["-c", c]), raw);
    const convert = ["convert", "-f", "raw", "-O", "qcow2"];
    const cases = [
      [...convert],
      [...convert, "-o", "cluster_size=512"],
      [...convert, "-o", "cluster_size=2M"],
      [...convert, "-c"],
      [...convert, "-c", "-o", "cluster_size=4k"],
      [...convert, "-c", "-o", "compression_type=zstd"],
    ];
    for (const [index, args] of cases.entries()) {
      const path = `${folder}/${index}.qcow2`;
      await qemu("qemu-img", ...args, raw, path);
      await expectSameMap(path);
    }
    const backwards = `${folder}/backwards.qcow2`;
    await qemu("qemu-img", "create", "-q", "-f", "qcow2", backwards, "1M");
    const order = [2, 1, 0, 8, 5, 6].map((n) => `write -P 1 ${n * 65_536} 65536`);
    await qemu("qemu-io", "-f", "qcow2", ...order.flatMap((c) => ["-c", c]), backwards);
    await expectSameMap(backwards);

    const path = `${folder}/zeroed.qcow2`;
    await qemu("qemu-img", ...convert, raw, path);
    const zeros = ["write -z 1M 1M", "write -z 20M 1M", "write -z -u 2M 512k"];
    await qemu("qemu-io", "-f", "qcow2", ...zeros.flatMap((c) => ["-c", c]), path);
    assert.ok((await extentsOf(Deno.readFileSync(path))).some(({ kind }) => kind === "zero"));
    await expectSameMap(path);
  });
});

Deno.test("openImage maps an empty image to nothing", async () => {
  await inFolder(async (folder) => {
    for (const size of ["0", "1", "3T"]) {
      const path = `${folder}/${size}.qcow2`;
      await qemu("qemu-img", "create", "-q", "-f", "qcow2", path, size);
      assert.deepEqual(await extentsOf(Deno.readFileSync(path)), []);
    }
  });
});

Deno.test("openImage refuses an image that is cut short, wherever that is", async () => {
  const { bytes } = await sample();
  assert.equal((await extentsOf(bytes)).length, 3);
  for (let length = 0; length < bytes.length; length += 8192) {
    await assert.rejects(extentsOf(bytes.subarray(0, length)), { code: /^qcow2\.(header|image)$/ });
  }
});

Deno.test("openImage refuses entries that point where they must not", async () => {
  const { bytes, l1, l2, refcountTable } = await sample();
  const copied = 0x8000_0000;
  const cases: readonly (readonly [at: number, high: number, low: number, message: RegExp])[] = [
    [l1, copied, clusterSize + 512, /L2 table 0: offset 66048: expected a multiple of 65536/],
    [l1, copied, 1, /L1 table entry 0: reserved bits/],
    [l1, copied + 0x0100_0000, clusterSize, /L1 table entry 0: reserved bits/],
    [l1, copied + 1, 0, /L2 table 0: 65536 bytes at 4294967296: expected to end within the file/],
    [l1, copied, l1, /L2 table 0: .* is in use by something else/],
    [refcountTable, 0, 0x1_0200, /refcount block 0: offset 66048/],
    [refcountTable, 0, l1, /refcount block 0: .* in use/],
    [refcountTable, 0, 0x1_0001, /refcount table entry 0: reserved bits/],
    [l2, copied, l1, /guest cluster 0: .* in use/],
    [l2, copied, l2, /guest cluster 0: .* in use/],
    [l2 + 8, copied, 2 * clusterSize + 512, /guest cluster 1: offset 131584/],
    [l2 + 8, copied, clusterSize, /guest cluster 1: 65536 bytes at 65536: cluster 1 .* in use/],
    [l2 + 8, 0x7fff, 0, /guest cluster 1: .* expected to end within the file/],
    [l2 + 8, 0x8100_0000, clusterSize, /guest cluster 1: reserved bits/],
    [l2 + 8, copied, clusterSize + 2, /guest cluster 1: reserved bits/],
    [l2 + 8, copied, 0, /guest cluster 1: reserved bits/],
    [l2 + 8, 0x4000_0000, l1 + 100, /guest cluster 1: 412 bytes at \d+: .* in use/],
    [l2 + 8, 0x4000_1000, 0, /guest cluster 1: .* expected to end within the file/],
    [l2 + 8, 0xc000_0000, 0, /guest cluster 1: reserved bits/],
    [l2 + 800 * 8, copied, l1, /guest cluster 800: expected at most 159/],
  ];
  for (const [at, high, low, message] of cases) {
    const broken = bytes.slice();
    const view = new DataView(broken.buffer);
    view.setUint32(at, high);
    view.setUint32(at + 4, low);
    await assert.rejects(extentsOf(broken), { code: "qcow2.image", message }, String(message));
  }
});

/** A 10 MiB disk: its clusters 0, 1 and 2 together, 7, and 9 compressed. */
async function sample() {
  let bytes = new Uint8Array(0);
  let tail = { l1TableOffset: 0, refcountTableOffset: 0 };
  await inFolder((folder) => {
    const image = writeImage(`${folder}/image.qcow2`, {
      virtualSize: 10 * MiB,
      compression: "zstd",
      clusters: new Map([[0, "noise"], [1, "noise"], [2, "noise"], [7, "noise"], [9, "pattern"]]),
    });
    bytes = Deno.readFileSync(image.path);
    tail = image.layout.tail;
    return Promise.resolve();
  });
  const l1 = tail.l1TableOffset;
  return { bytes, l1, l2: l1 - clusterSize, refcountTable: tail.refcountTableOffset };
}

async function extentsOf(bytes: Uint8Array): Promise<readonly Extent[]> {
  const readAt = (offset: number, length: number) => bytes.subarray(offset, offset + length);
  const { extents } = await openImage(readAt, bytes.length);
  return await Array.fromAsync(extents);
}

async function expectSameMap(path: string): Promise<void> {
  const bytes = Deno.readFileSync(path);
  const readAt = (offset: number, length: number) => bytes.subarray(offset, offset + length);
  const { header, extents } = await openImage(readAt, bytes.length);
  const clusterSize = 2 ** header.clusterBits;
  const ours = new Map<number, number | undefined>();
  for await (const extent of extents) {
    for (let i = 0; i < extent.count && extent.kind !== "zero"; i++) {
      const offset = extent.kind === "data" ? extent.offset + i * clusterSize : undefined;
      ours.set(extent.first + i, offset);
    }
  }
  const theirs = new Map<number, number | undefined>();
  for (const { start, length, data, offset } of await map(path)) {
    for (let at = start; data && at < start + length; at += clusterSize) {
      theirs.set(at / clusterSize, offset === undefined ? undefined : offset + at - start);
    }
  }
  assert.deepEqual(ours, theirs);
}
