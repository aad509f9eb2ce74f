import fc from "fast-check";
import assert from "node:assert/strict";
import { clusterSize } from "../../../core/qcow2/cluster.ts";
import { predictLayout } from "../../../core/qcow2/layout.ts";
import { refcountsPerBlock } from "../../../core/qcow2/refcounts.ts";
import { layTail } from "../../../core/qcow2/tail.ts";

const MiB = 1024 ** 2;
const TiB = 1024 ** 4;
const PiB = 1024 ** 5;

Deno.test("predictLayout counts header, data, L2 tables and tail", () => {
  const layout = predictLayout({
    virtualSize: 10 * TiB,
    compression: "none",
    dataClusters: [{ segment: 3, clusters: 5 }, { segment: 20_479, clusters: 7 }],
  });
  assert.deepEqual(layout, {
    virtualSize: 10 * TiB,
    compression: "none",
    segments: new Map([[3, 5], [20_479, 7]]),
    tail: {
      offset: 15 * clusterSize,
      l1Size: 20_480,
      l1TableOffset: 15 * clusterSize,
      refcountTableOffset: 18 * clusterSize,
      refcountTableClusters: 1,
      refcountBlockOffset: 19 * clusterSize,
      refcountBlocks: 1,
      fileSize: 20 * clusterSize,
    },
  });
  assert.deepEqual(structuredClone(layout), layout);
});

Deno.test("predictLayout adds up bounds of a segment, up to what the segment has", () => {
  const { segments } = predictLayout({
    virtualSize: 512 * MiB + 3 * clusterSize - 1,
    compression: "none",
    dataClusters: [
      { segment: 0, clusters: 8000 },
      { segment: 1, clusters: 2 },
      { segment: 0, clusters: 100 },
      { segment: 1, clusters: 2 },
    ],
  });
  assert.deepEqual(segments, new Map([[0, 8100], [1, 3]]));
});

Deno.test("predictLayout makes no L2 table for a segment without clusters", () => {
  const dataClusters = [{ segment: 0, clusters: 0 }];
  const layout = predictLayout({ virtualSize: 1, compression: "none", dataClusters });
  assert.equal(layout.tail.offset, clusterSize);
  assert.equal(layout.segments.size, 0);
});

Deno.test("predictLayout rounds the size up to sectors", () => {
  for (const [bytes, rounded] of [[0, 0], [1, 512], [512, 512], [513, 1024]] as const) {
    const layout = predictLayout({ virtualSize: bytes, compression: "none", dataClusters: [] });
    assert.equal(layout.virtualSize, rounded);
    assert.equal(layout.tail.l1Size, rounded === 0 ? 0 : 1);
  }
});

Deno.test("predictLayout refuses disks that no qcow2 image can hold", () => {
  const of = (virtualSize: number) =>
    predictLayout({ virtualSize, compression: "none", dataClusters: [] });
  assert.equal(of(2 * PiB).tail.l1Size, 32 * MiB / 8);
  for (const size of [2 * PiB + 1, -1, 0.5, NaN, Infinity]) {
    assert.throws(() => of(size), { code: "qcow2.too-large" }, String(size));
  }
});

Deno.test("predictLayout refuses an allocation outside the disk", () => {
  for (const segment of [-1, 2, 0.5]) {
    const dataClusters = [{ segment, clusters: 1 }];
    assert.throws(
      () => predictLayout({ virtualSize: 1024 * MiB, compression: "none", dataClusters }),
      { code: "qcow2.allocation" },
      String(segment),
    );
  }
});

Deno.test("layTail makes just enough refcount blocks for the whole file", () => {
  const edge = (blocks: number) => fc.integer({ min: -6, max: 2 }).map((n) => blocks * 32_768 + n);
  fc.assert(
    fc.property(
      fc.oneof(fc.integer({ min: 1, max: 2 ** 34 }), fc.integer({ min: 1, max: 9000 }).chain(edge)),
      fc.integer({ min: 0, max: 100_000 }),
      (clusters, l1Size) => {
        const tail = layTail(clusters * clusterSize, l1Size);
        const total = tail.fileSize / clusterSize;
        assert.equal(
          total,
          clusters + Math.ceil(l1Size / 8192) + tail.refcountTableClusters + tail.refcountBlocks,
        );
        assert.ok(total <= tail.refcountBlocks * refcountsPerBlock);
        assert.equal(tail.refcountTableClusters, Math.ceil(tail.refcountBlocks / 8192));
        const fewer = tail.refcountBlocks - 1;
        const needed = clusters + Math.ceil(l1Size / 8192) + Math.ceil(fewer / 8192) + fewer;
        assert.ok(needed > fewer * refcountsPerBlock);
      },
    ),
    { numRuns: 2000 },
  );
});

Deno.test("layTail refuses a file that outgrows the largest refcount table", () => {
  const largest = 2 ** 20 * refcountsPerBlock;
  const own = 128 + 2 ** 20;
  assert.equal(layTail((largest - own) * clusterSize, 0).fileSize, largest * clusterSize);
  assert.throws(() => layTail((largest - own + 1) * clusterSize, 0), { code: "qcow2.too-large" });
});
