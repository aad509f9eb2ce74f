import fc from "fast-check";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { type BlockMapEntry, decodeBlockMap } from "../../../core/block_map/decoder.ts";
import { BlockMapEncoder } from "../../../core/block_map/encoder.ts";

const seed = "fedcba9876543210";

const clusterSize = 65_536;
const TiB = 1024 ** 4;

/** A disk and its clusters that are not zeros, anywhere on it. */
const disks = fc.oneof(
  fc.integer({ min: 0, max: 3 * 1024 ** 3 }),
  fc.integer({ min: 0, max: TiB / 4 }),
).chain((virtualSize) => {
  const clusters = Math.ceil(virtualSize / clusterSize);
  const cluster = fc.oneof(
    fc.integer({ min: 0, max: Math.max(clusters - 1, 0) }),
    fc.integer({ min: 0, max: Math.max(Math.min(clusters - 1, 10_000), 0) }),
  );
  return fc.record({
    virtualSize: fc.constant(virtualSize),
    clusters: fc.uniqueArray(cluster, { maxLength: clusters === 0 ? 0 : 60 })
      .map((members) => members.sort((a, b) => a - b)),
  });
});

Deno.test("decodeBlockMap returns what BlockMapEncoder was given, in chunks of any length", () => {
  fc.assert(
    fc.property(disks, fc.integer({ min: 1, max: 3000 }), ({ virtualSize, clusters }, length) => {
      const bytes = encode(virtualSize, clusters);
      for (const source of [bytes, chunksOf(bytes, length)]) {
        const map = decodeBlockMap(source);
        assert.deepEqual([map.virtualSize, map.seed], [virtualSize, seed]);
        assert.throws(() => map.contentDigest(), { code: "block-map.invalid" });
        assert.deepEqual([...map.entries], clusters.map(entry));
        assert.equal(map.contentDigest(), encoderOf(virtualSize, clusters).contentDigest());
      }
    }),
    { numRuns: 150 },
  );
});

Deno.test("BlockMapEncoder writes the documented bytes", () => {
  const size = 2 * 512 * 1024 ** 2 + 1;
  const bytes = encode(size, [0, 9, 16384]);
  const view = new DataView(bytes.buffer);
  const text = (at: number) => new TextDecoder().decode(bytes.subarray(at, at + 8));
  const u64 = (at: number) => Number(view.getBigUint64(at));
  assert.equal(text(0), "VMBBLKMP");
  assert.deepEqual([view.getUint32(8), view.getUint32(12), u64(16), view.getUint32(24)], [
    2,
    16,
    size,
    2,
  ]);
  assert.equal(view.getBigUint64(32), 0xfedcba9876543210n);
  for (const [from, to] of [[28, 32], [40, 64]]) {
    assert.ok(bytes.subarray(from, to).every((byte) => byte === 0));
  }
  assert.deepEqual([u64(64), u64(72)], [0, 2]);
  assert.deepEqual([...bytes.subarray(80, 83)], [1, 2, 0]);
  assert.deepEqual(bytes.slice(64 + 1040, 64 + 1056), digestOf(0));
  assert.deepEqual(bytes.slice(64 + 1056, 64 + 1072), digestOf(9));
  const second = 64 + 1072;
  assert.deepEqual([u64(second), u64(second + 8), bytes[second + 16]], [2, 1, 1]);
  const table = second + 1056;
  assert.equal(text(table), "VMBBLKTB");
  assert.deepEqual([u64(table + 8), u64(table + 16), u64(table + 24)], [3, 3, 0]);
  const entries = [0, 1, 2].map((index) => table + 32 + index * 40);
  assert.deepEqual(entries.map(u64), [2, 0, 1]);
  assert.deepEqual(entries.map((at) => bytes.subarray(at + 8, at + 40).toHex()), [
    sha256(bytes.subarray(64, second)),
    "00".repeat(32),
    sha256(bytes.subarray(second, table)),
  ]);
  assert.equal(bytes.length, table + 32 + 3 * 40);
  assert.equal(
    encoderOf(size, [0, 9, 16384]).contentDigest(),
    createHash("sha256").update(bytes.subarray(0, 64)).update(bytes.subarray(table)).digest("hex"),
  );
});

Deno.test("BlockMapEncoder holds a whole segment", () => {
  const clusters = Array.from({ length: 8192 + 1 }, (_, cluster) => cluster);
  const bytes = encode(TiB, clusters);
  assert.equal(bytes.length, 64 + 2 * 1040 + clusters.length * 16 + 32 + 2048 * 40);
  assert.deepEqual([...decodeBlockMap(bytes).entries].map(({ cluster }) => cluster), clusters);
});

Deno.test("BlockMapEncoder returns a segment's record once its successor begins", () => {
  const encoder = new BlockMapEncoder({ virtualSize: TiB, seed });
  assert.equal(encoder.add(5, digestOf(5)), undefined);
  assert.equal(encoder.add(8191, digestOf(8191)), undefined);
  assert.equal(encoder.add(9_000_000, digestOf(1))?.length, 1040 + 32);
  assert.deepEqual(encoder.finish().map(({ length }) => length), [1040 + 16, 32 + 2048 * 40]);
});

Deno.test("BlockMapEncoder refuses clusters out of order or outside the disk", () => {
  const encoder = new BlockMapEncoder({ virtualSize: 3 * clusterSize + 1, seed });
  encoder.add(1, digestOf(1));
  for (const cluster of [1, 0, -1, 4, 2.5]) {
    assert.throws(() => encoder.add(cluster, digestOf(1)), { code: "block-map.order" });
  }
  encoder.finish();
  assert.throws(() => encoder.add(3, digestOf(3)), { code: "block-map.order" });
  const empty = new BlockMapEncoder({ virtualSize: 0, seed });
  assert.throws(() => empty.add(0, digestOf(0)), { code: "block-map.order" });
});

Deno.test("BlockMapEncoder refuses digests of other length", () => {
  const encoder = new BlockMapEncoder({ virtualSize: TiB, seed });
  for (const length of [0, 15, 17, 32]) {
    assert.throws(() => encoder.add(0, new Uint8Array(length)), { code: "block-map.digest" });
  }
});

Deno.test("decodeBlockMap refuses a map that is cut short, wherever that is", () => {
  const bytes = encode(4 * 512 * 1024 ** 2, [1, 2, 20_000]);
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(() => decodeAll(bytes.subarray(0, length)), { code: "block-map.invalid" });
  }
});

Deno.test("decodeBlockMap refuses a map with any one changed byte, or gives another content digest", () => {
  const size = 4 * 512 * 1024 ** 2;
  const bytes = encode(size, [1, 2, 20_000]);
  const { contentDigest } = decodeAll(bytes);
  for (let at = 0; at < bytes.length; at++) {
    const broken = bytes.slice();
    broken[at] = (broken[at] ?? 0) ^ 0x10;
    // Size and seed may be others: then the digest says so.
    if (at >= 16 && at < 24 || at >= 32 && at < 40) {
      let other: string | undefined;
      try {
        other = decodeAll(broken).contentDigest;
      } catch {
        continue;
      }
      assert.notEqual(other, contentDigest, `byte ${at}`);
    } else assert.throws(() => decodeAll(broken), { code: "block-map.invalid" }, `byte ${at}`);
  }
});

Deno.test("decodeBlockMap says what is wrong", () => {
  const size = 2 * 512 * 1024 ** 2;
  const bytes = encode(size, [1, 8193]);
  const second = 64 + 1040 + 16;
  const table = second + 1040 + 16;
  const change = (at: number, ...values: number[]) => {
    const broken = bytes.slice();
    broken.set(values, at);
    return broken;
  };
  const longer = new Uint8Array([...bytes, 0]);
  const cases: readonly (readonly [Uint8Array, RegExp])[] = [
    [change(0, 0x20), /header magic: got " MBBLKMP": expected "VMBBLKMP"/],
    [change(11, 1), /version: got 1: expected 2/],
    [change(15, 12), /cluster_bits: got 12: expected 16/],
    [change(16, 255), /virtual size: got \d+: expected at most/],
    [change(27, 1), /digest algorithm: got 1: expected 2/],
    [change(31, 1), /header: reserved bytes are set/],
    [change(63, 1), /header: reserved bytes are set/],
    [change(second + 7, 0), /segment 0: expected one from 1 on/],
    [change(second + 7, 2), /segment 2: expected one from 1 on, within the disk/],
    [change(79, 2), /segment 0: count of digests is 2, its bitmap has 1 bits set/],
    [change(80, 0), /segment 0: count of digests is 1, its bitmap has 0 bits set/],
    [change(64 + 1040, 0), /entry of segment 0 in the table: got "[0-9a-f]{64}": expected/],
    [change(table + 15, 3), /count of segments in the table: got 3: expected 2/],
    [change(table + 23, 3), /count of digests in the table: got 3: expected 2/],
    [change(table + 31, 3), /table: reserved bytes are set/],
    [change(table + 39, 2), /entry of segment 0 in the table: got 2: expected 1/],
    [longer, /bytes follow after \d+: expected the end/],
    [bytes.subarray(0, 64), /record or table: ends after 64 bytes: expected 16 more/],
  ];
  for (const [broken, message] of cases) {
    assert.throws(() => decodeAll(broken), { code: "block-map.invalid", message });
  }
  const tooSmall = encode(clusterSize * 2, [1]);
  tooSmall.set([0, 0, 0, 0, 0, 0, 0, 1], 16);
  assert.throws(() => decodeAll(tooSmall), { message: /segment 0: cluster 1 is outside the disk/ });
  const unknown = encode(size, [1]);
  unknown.set([1], 64 + 1056 + 32 + 40);
  assert.throws(() => decodeAll(unknown), { message: /entry of segment 1 in the table: reserved/ });
});

function encoderOf(virtualSize: number, clusters: readonly number[]): BlockMapEncoder {
  const encoder = new BlockMapEncoder({ virtualSize, seed });
  for (const cluster of clusters) encoder.add(cluster, digestOf(cluster));
  encoder.finish();
  return encoder;
}

function encode(virtualSize: number, clusters: readonly number[]): Uint8Array<ArrayBuffer> {
  const encoder = new BlockMapEncoder({ virtualSize, seed });
  const pieces = [encoder.header()];
  for (const cluster of clusters) {
    const finished = encoder.add(cluster, digestOf(cluster));
    if (finished) pieces.push(finished);
  }
  pieces.push(...encoder.finish());
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

function entry(cluster: number): BlockMapEntry {
  return { cluster, digest: digestOf(cluster) };
}

function digestOf(cluster: number): Uint8Array {
  return Uint8Array.fromHex(sha256(new TextEncoder().encode(String(cluster))).slice(0, 32));
}

function decodeAll(bytes: Uint8Array) {
  const map = decodeBlockMap(bytes);
  return { entries: [...map.entries], contentDigest: map.contentDigest() };
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Yields chunks in one buffer that is used again, as a reader of a file may do. */
function* chunksOf(bytes: Uint8Array, length: number): Generator<Uint8Array> {
  const buffer = new Uint8Array(length);
  for (let at = 0; at < bytes.length; at += length) {
    const part = bytes.subarray(at, at + length);
    buffer.set(part);
    yield buffer.subarray(0, part.length);
  }
}
