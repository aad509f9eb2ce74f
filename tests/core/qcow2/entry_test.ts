import fc from "fast-check";
import assert from "node:assert/strict";
import {
  getL2Entry,
  getOffset,
  setCompressedEntry,
  setEntry,
  setOffset,
} from "../../../core/qcow2/entry.ts";

const TiB = 1024 ** 4;
const offsets = fc.integer({ min: 1, max: 2 ** 34 }).map((n) => n * 65_536);

Deno.test("setCompressedEntry counts the sectors after the first", () => {
  const cases = [
    [0x1_0000, 1, 0],
    [0x1_0000, 512, 0],
    [0x1_0000, 513, 1],
    [0x1_01ff, 1, 0],
    [0x1_01ff, 2, 1],
    [0x1_01ff, 513, 1],
    [0x1_01ff, 514, 2],
    [0x1_01ff, 65_535, 128],
    [5 * TiB + 0x1_0064, 1024, 2],
  ] as const;
  for (const [offset, length, moreSectors] of cases) {
    const table = new DataView(new ArrayBuffer(16));
    setCompressedEntry(table, 1, offset, length);
    const expected = 1n << 62n | BigInt(moreSectors) << 54n | BigInt(offset);
    assert.equal(table.getBigUint64(8), expected, `${length} bytes at ${offset}`);
    assert.equal(table.getBigUint64(0), 0n);
  }
});

Deno.test("getL2Entry returns where setCompressedEntry put a cluster, to the sector's end", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 2 ** 50 }),
      fc.integer({ min: 1, max: 65_535 }),
      (offset, length) => {
        const table = new DataView(new ArrayBuffer(8));
        setCompressedEntry(table, 0, offset, length);
        const sectorEnd = Math.ceil((offset + length) / 512) * 512;
        const expected = { kind: "compressed", offset, length: sectorEnd - offset };
        assert.deepEqual(getL2Entry(table, 0, 16), expected);
      },
    ),
  );
});

Deno.test("setEntry and setOffset write what getL2Entry and getOffset return", () => {
  fc.assert(
    fc.property(offsets, (offset) => {
      const table = new DataView(new ArrayBuffer(16));
      setEntry(table, 0, offset);
      setOffset(table, 1, offset);
      assert.equal(table.getBigUint64(0), 1n << 63n | BigInt(offset));
      assert.equal(table.getBigUint64(8), BigInt(offset));
      assert.deepEqual(getL2Entry(table, 0, 16), { kind: "data", offset });
      assert.equal(getOffset(table, 0, "l1"), offset);
      assert.equal(getOffset(table, 1, "refcount"), offset);
    }),
  );
});

Deno.test("getL2Entry tells zero clusters, with and without a host cluster", () => {
  const table = new DataView(new ArrayBuffer(8));
  for (const offset of [0, 0x8001_0000]) {
    table.setBigUint64(0, BigInt(offset) | 1n);
    assert.deepEqual(getL2Entry(table, 0, 16), { kind: "zero", offset });
  }
});

Deno.test("getL2Entry reads compressed entries of other cluster sizes", () => {
  const table = new DataView(new ArrayBuffer(8));
  // 512 bytes: one bit of sectors at 61; 2 MiB: 13 bits of sectors at 49.
  for (const [bits, shift, moreSectors] of [[9, 61n, 1], [21, 49n, 4095]] as const) {
    table.setBigUint64(0, 1n << 62n | BigInt(moreSectors) << shift | 0x1_0010n);
    const expected = { kind: "compressed", offset: 0x1_0010, length: moreSectors * 512 + 512 - 16 };
    assert.deepEqual(getL2Entry(table, 0, bits), expected);
  }
  table.setBigUint64(0, 1n << 62n | 1n << 57n);
  assert.deepEqual(getL2Entry(table, 0, 9), { kind: "invalid" });
});
