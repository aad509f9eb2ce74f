import fc from "fast-check";
import assert from "node:assert/strict";
import { clusterSize } from "../../../core/qcow2/cluster.ts";
import { decodeHeader, encodeHeader, type HeaderFields } from "../../../core/qcow2/header.ts";
import { inFolder, qemu } from "./qemu_img.ts";

const fields: HeaderFields = {
  virtualSize: 1024 ** 3,
  l1Size: 2,
  l1TableOffset: 5 * clusterSize,
  refcountTableOffset: 6 * clusterSize,
  refcountTableClusters: 1,
  compressionType: "zstd",
};

Deno.test("decodeHeader returns what encodeHeader was given", () => {
  const clusters = fc.integer({ min: 1, max: 2 ** 36 }).map((n) => n * clusterSize);
  fc.assert(
    fc.property(
      fc.record({
        virtualSize: fc.integer({ min: 0, max: 2 ** 42 }).map((n) => n * 512),
        l1Size: fc.constant(2 ** 22),
        l1TableOffset: clusters,
        refcountTableOffset: clusters,
        refcountTableClusters: fc.integer({ min: 1, max: 128 }),
        compressionType: fc.constantFrom("zlib", "zstd"),
      }),
      (fields) => {
        const { offset, bytes } = encodeHeader(fields);
        assert.equal(offset, 0);
        assert.equal(bytes.length, clusterSize);
        const expected = { ...fields, clusterBits: 16, refcountOrder: 4 };
        assert.deepEqual(decodeHeader(bytes), expected);
        assert.deepEqual(decodeHeader(bytes.subarray(0, 112)), expected);
      },
    ),
  );
});

Deno.test("decodeHeader reads the headers of qemu-img", async () => {
  await inFolder(async (folder) => {
    const path = `${folder}/image.qcow2`;
    const cases = [
      ["cluster_size=64k", { clusterBits: 16, refcountOrder: 4, compressionType: "zlib" }],
      ["cluster_size=512,refcount_bits=1", { clusterBits: 9, refcountOrder: 0 }],
      ["cluster_size=2M,refcount_bits=64", { clusterBits: 21, refcountOrder: 6 }],
      ["compression_type=zstd,lazy_refcounts=on", { compressionType: "zstd" }],
    ] as const;
    for (const [options, expected] of cases) {
      await qemu("qemu-img", "create", "-q", "-f", "qcow2", "-o", options, path, "1000000001");
      const header = decodeHeader(Deno.readFileSync(path));
      assert.equal(header.virtualSize, 1_000_000_512);
      assert.deepEqual({ ...header, ...expected }, header, options);
    }
  });
});

Deno.test("decodeHeader refuses what qemu-img makes for other purposes", async () => {
  await inFolder(async (folder) => {
    const path = `${folder}/image.qcow2`;
    await qemu("qemu-img", "create", "-q", "-f", "raw", `${folder}/base.raw`, "1M");
    const backing = ["-b", `${folder}/base.raw`, "-F", "raw"];
    const cases = [
      [["-o", "compat=0.10"], /version: got 2, expected 3/],
      [["-o", "extended_l2=on"], /incompatible_features: got 0x10/],
      [["-o", `data_file=${folder}/data.raw`], /incompatible_features: got 0x4/],
      [backing, /backing_file_offset: got \d+, expected 0/],
    ] as const;
    for (const [options, message] of cases) {
      await qemu("qemu-img", "create", "-q", "-f", "qcow2", ...options, path, "1M");
      assert.throws(() => decodeHeader(Deno.readFileSync(path)), { code: "qcow2.header", message });
    }
    await qemu("qemu-img", "create", "-q", "-f", "qcow2", path, "1M");
    await qemu("qemu-img", "snapshot", "-c", "one", path);
    assert.throws(() => decodeHeader(Deno.readFileSync(path)), { message: /nb_snapshots: got 1/ });
  });
});

Deno.test("decodeHeader names the field that is wrong", () => {
  const cases: readonly (readonly [name: string, at: number, bytes: readonly number[]])[] = [
    ["magic", 0, [0]],
    ["version", 4, [0, 0, 0, 4]],
    ["backing_file_offset", 8, [0, 0, 0, 0, 0, 0, 1, 0]],
    ["cluster_bits", 20, [0, 0, 0, 8]],
    ["cluster_bits", 20, [0, 0, 0, 22]],
    ["size", 24, [0, 32, 0, 0]],
    ["size", 31, [1]],
    ["crypt_method", 32, [0, 0, 0, 2]],
    ["l1_size", 36, [0, 0, 0, 1]],
    ["l1_size", 36, [0, 64, 0, 1]],
    ["l1_table_offset", 40, [0, 0, 0, 0, 0, 0, 0, 1]],
    ["refcount_table_offset", 48, [0, 0, 0, 0, 0, 1, 2, 0]],
    ["refcount_table_clusters", 56, [0, 0, 0, 0]],
    ["refcount_table_clusters", 56, [0, 0, 0, 129]],
    ["nb_snapshots", 60, [0, 0, 0, 1]],
    ["incompatible_features", 79, [9]],
    ["incompatible_features", 72, [128]],
    ["refcount_order", 96, [0, 0, 0, 7]],
    ["header_length", 100, [0, 0, 0, 103]],
    ["header_length", 100, [0, 0, 0, 108]],
    ["compression_type", 104, [0]],
    ["compression_type", 104, [2]],
    ["compression_type", 79, [0]],
    ["compression_type", 100, [0, 0, 0, 104]],
  ];
  for (const [name, at, values] of cases) {
    const { bytes } = encodeHeader(fields);
    bytes.set(values, at);
    const message = new RegExp(`header failed: ${name}: got .*, expected .*`);
    assert.throws(
      () => decodeHeader(bytes),
      { code: "qcow2.header", message },
      `${name} ${values}`,
    );
  }
});

Deno.test("decodeHeader refuses files that are too short", () => {
  const { bytes } = encodeHeader(fields);
  for (const length of [0, 3, 4, 8, 72, 103]) {
    assert.throws(() => decodeHeader(bytes.subarray(0, length)), { code: "qcow2.header" });
  }
  assert.throws(() => decodeHeader(bytes.subarray(0, 0)), { message: /magic: got nothing/ });
});
