import fc from "fast-check";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  BlockMapEncoder,
  type BlockMapEntry,
  decodeBlockMap,
} from "../../../core/copy/block_map.ts";

const clusterSize = 65_536;
const TiB = 1024 ** 4;

/** A disk and its clusters that are not zeros, anywhere on it. */
const disks = fc.oneof(
  fc.integer({ min: 0, max: 3 * 1024 ** 3 }),
  fc.integer({ min: 0, max: 20 * TiB }),
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
        assert.equal(map.virtualSize, virtualSize);
        assert.deepEqual([...map.entries], clusters.map(entry));
      }
    }),
    { numRuns: 300 },
  );
});

Deno.test("BlockMapEncoder writes the documented bytes", () => {
  const size = 512 * 1024 ** 2 + 1;
  const bytes = encode(size, [0, 9, 8192]);
  const view = new DataView(bytes.buffer);
  const text = (at: number) => new TextDecoder().decode(bytes.subarray(at, at + 8));
  const u64 = (at: number) => Number(view.getBigUint64(at));
  assert.equal(text(0), "VMBBLKMP");
  assert.deepEqual([view.getUint32(8), view.getUint32(12), u64(16), view.getUint32(24)], [
    1,
    16,
    size,
    1,
  ]);
  assert.ok(bytes.subarray(28, 64).every((byte) => byte === 0));
  assert.deepEqual([u64(64), u64(72)], [0, 2]);
  assert.deepEqual([...bytes.subarray(80, 83)], [1, 2, 0]);
  assert.deepEqual(bytes.slice(64 + 1040, 64 + 1072), digestOf(0));
  assert.deepEqual(bytes.slice(64 + 1072, 64 + 1104), digestOf(9));
  const second = 64 + 1104;
  assert.deepEqual([u64(second), u64(second + 8), bytes[second + 16]], [1, 1, 1]);
  const trailer = second + 1072;
  assert.equal(text(trailer), "VMBBLKEN");
  assert.deepEqual([u64(trailer + 8), u64(trailer + 16)], [2, 3]);
  assert.equal(bytes.length, trailer + 64);
});

Deno.test("BlockMapEncoder holds a whole segment", () => {
  const clusters = Array.from({ length: 8192 + 1 }, (_, cluster) => cluster);
  const bytes = encode(TiB, clusters);
  assert.equal(bytes.length, 128 + 2 * 1040 + clusters.length * 32);
  assert.deepEqual([...decodeBlockMap(bytes).entries].map(({ cluster }) => cluster), clusters);
});

Deno.test("BlockMapEncoder returns a segment's bytes once its successor begins", () => {
  const encoder = new BlockMapEncoder(TiB);
  assert.equal(encoder.add(5, digestOf(5)), undefined);
  assert.equal(encoder.add(8191, digestOf(8191)), undefined);
  assert.equal(encoder.add(9_000_000, digestOf(1))?.length, 1040 + 64);
  assert.deepEqual(encoder.finish().map(({ length }) => length), [1040 + 32, 64]);
});

Deno.test("BlockMapEncoder refuses clusters out of order or outside the disk", () => {
  const encoder = new BlockMapEncoder(3 * clusterSize + 1);
  encoder.add(1, digestOf(1));
  for (const cluster of [1, 0, -1, 4, 2.5]) {
    assert.throws(() => encoder.add(cluster, digestOf(1)), { code: "block-map.order" });
  }
  encoder.finish();
  assert.throws(() => encoder.add(3, digestOf(3)), { code: "block-map.order" });
  assert.throws(() => new BlockMapEncoder(0).add(0, digestOf(0)), { code: "block-map.order" });
});

Deno.test("BlockMapEncoder refuses digests of other length, and a cluster of zeros", () => {
  const encoder = new BlockMapEncoder(TiB);
  const zeros = createHash("sha256").update(new Uint8Array(clusterSize)).digest();
  for (const digest of [zeros, new Uint8Array(31), new Uint8Array(0)]) {
    assert.throws(() => encoder.add(0, digest), { code: "block-map.digest" });
  }
});

Deno.test("decodeBlockMap refuses a map that is cut short, wherever that is", () => {
  const bytes = encode(TiB, [1, 2, 20_000]);
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(() => decodeAll(bytes.subarray(0, length)), { code: "block-map.invalid" });
  }
});

Deno.test("decodeBlockMap refuses every changed byte outside sizes and digests", () => {
  const bytes = encode(TiB, [1, 2, 20_000]);
  const second = 64 + 1040 + 64;
  const free = [[16, 24], [64 + 1040, second], [second + 1040, second + 1072]] as const;
  for (let at = 0; at < bytes.length; at++) {
    if (free.some(([from, to]) => at >= from && at < to)) continue;
    const broken = bytes.slice();
    broken[at] = (broken[at] ?? 0) ^ 0x10;
    // Another segment index may make another valid map.
    if (at >= second && at < second + 8) {
      assert.throws(() => assert.deepEqual(decodeAll(broken), decodeAll(bytes)));
    } else assert.throws(() => decodeAll(broken), { code: "block-map.invalid" }, `byte ${at}`);
  }
});

Deno.test("decodeBlockMap says what is wrong", () => {
  const size = 2 * 512 * 1024 ** 2;
  const bytes = encode(size, [1, 8193]);
  const second = 64 + 1040 + 32;
  const zeros = createHash("sha256").update(new Uint8Array(clusterSize)).digest();
  const change = (at: number, ...values: number[]) => {
    const broken = bytes.slice();
    broken.set(values, at);
    return broken;
  };
  const longer = new Uint8Array([...bytes, 0]);
  const cases: readonly (readonly [Uint8Array, RegExp])[] = [
    [change(0, 0x20), /header magic: got " MBBLKMP": expected "VMBBLKMP"/],
    [change(11, 2), /version: got 2: expected 1/],
    [change(15, 12), /cluster_bits: got 12: expected 16/],
    [change(16, 255), /virtual size: got \d+: expected at most/],
    [change(27, 2), /digest algorithm: got 2: expected 1/],
    [change(63, 1), /header: reserved bytes are set/],
    [change(second + 7, 0), /segment 0: expected one from 1 on/],
    [change(second + 7, 2), /segment 2: expected one from 1 on, within the disk/],
    [change(79, 2), /segment 0: count of digests is 2, its bitmap has 1 bits set/],
    [change(80, 0), /segment 0: count of digests is 1, its bitmap has 0 bits set/],
    [change(64 + 1040, ...zeros), /cluster 1: its digest is that of zeros/],
    [change(bytes.length - 49, 3), /count of segments in the trailer: got 3: expected 2/],
    [change(bytes.length - 41, 3), /count of digests in the trailer: got 3: expected 2/],
    [change(bytes.length - 1, 3), /trailer: reserved bytes are set/],
    [longer, /bytes follow after \d+: expected the end/],
    [bytes.subarray(0, 64), /segment or trailer: ends after 64 bytes: expected 16 more/],
  ];
  for (const [broken, message] of cases) {
    assert.throws(() => decodeAll(broken), { code: "block-map.invalid", message });
  }
  const tooSmall = encode(clusterSize * 2, [1]);
  tooSmall.set([0, 0, 0, 0, 0, 0, 0, 1], 16);
  assert.throws(() => decodeAll(tooSmall), { message: /segment 0: cluster 1 is outside the disk/ });
});

function encode(virtualSize: number, clusters: readonly number[]): Uint8Array<ArrayBuffer> {
  const encoder = new BlockMapEncoder(virtualSize);
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
  return new Uint8Array(createHash("sha256").update(String(cluster)).digest());
}

function decodeAll(bytes: Uint8Array): readonly BlockMapEntry[] {
  return [...decodeBlockMap(bytes).entries];
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
