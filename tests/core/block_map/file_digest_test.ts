import fc from "fast-check";
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createClusterDigest } from "../../../core/block_map/cluster_digest.ts";
import { FileDigest, firstDifference, stretchSize } from "../../../core/block_map/file_digest.ts";

const clusterSize = 65_536;
const hasher = await createClusterDigest("0123456789abcdef");

Deno.test("createClusterDigest gives XXH3 of 128 bits with its seed", () => {
  // By xxhash.xxh3_128(b"x" * 65536, seed=0x0123456789abcdef) of python3-xxhash.
  const bytes = new Uint8Array(clusterSize).fill(120);
  assert.equal(hasher.of(bytes).toHex(), "0a08406ec7a4aae23e9bdca5044167fb");
  hasher.add(bytes.subarray(0, 100));
  hasher.add(bytes.subarray(100));
  assert.equal(hasher.finish().toHex(), "0a08406ec7a4aae23e9bdca5044167fb");
});

Deno.test("FileDigest is of the bytes, however they come", () => {
  const bytes = new Uint8Array(randomBytes(2 * stretchSize + 3 * clusterSize + 17));
  const whole = new FileDigest(hasher);
  whole.add(bytes);
  const expected = whole.finish();
  assert.equal(expected.length, 3 * 16);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 900_000 }), { minLength: 1 }), (lengths) => {
      const digest = new FileDigest(hasher);
      for (let at = 0, index = 0; at < bytes.length; index++) {
        const length = lengths[index % lengths.length] ?? 1;
        digest.add(bytes.subarray(at, at + length));
        at += length;
      }
      assert.deepEqual(digest.finish(), expected);
    }),
    { numRuns: 30 },
  );
});

Deno.test("FileDigest takes digests that are known for the bytes they are of", () => {
  const bytes = new Uint8Array(randomBytes(70 * clusterSize));
  const known = new Uint8Array(70 * 16);
  for (let index = 0; index < 70; index++) {
    const cluster = bytes.subarray(index * clusterSize, (index + 1) * clusterSize);
    known.set(hasher.of(cluster), index * 16);
  }
  const plain = new FileDigest(hasher);
  plain.add(bytes);
  const quick = new FileDigest(hasher);
  quick.add(bytes.subarray(0, clusterSize), known.subarray(0, 16));
  quick.add(bytes.subarray(clusterSize), known.subarray(16));
  assert.deepEqual(quick.finish(), plain.finish());
});

Deno.test("FileDigest counts zeros that were skipped, and a first cluster that was replaced", () => {
  for (const clusters of [1, 5, 64, 65, 200]) {
    const bytes = new Uint8Array(clusters * clusterSize);
    bytes.fill(7, 0, clusterSize);
    const other = new Uint8Array(clusterSize).fill(9);
    const digest = new FileDigest(hasher);
    digest.add(bytes.subarray(0, clusterSize));
    digest.skip(bytes.length - clusterSize);
    const before = digest.finish();
    const plain = new FileDigest(hasher);
    plain.add(bytes);
    assert.deepEqual(before, plain.finish());
    digest.replaceFirst(other);
    bytes.set(other);
    const replaced = new FileDigest(hasher);
    replaced.add(bytes);
    assert.deepEqual(digest.finish(), replaced.finish());
  }
});

Deno.test("firstDifference names the stretch, and a file that is longer or shorter", () => {
  const sent = new Uint8Array(3 * 16).fill(1);
  const change = (at: number) => sent.with(at, 2);
  assert.equal(firstDifference(sent, sent.slice()), undefined);
  assert.equal(firstDifference(sent, change(0)), 0);
  assert.equal(firstDifference(sent, change(31)), stretchSize);
  assert.equal(firstDifference(sent, sent.subarray(0, 32)), 2 * stretchSize);
  assert.equal(firstDifference(sent.subarray(0, 32), sent), 2 * stretchSize);
  assert.equal(firstDifference(sent, new Uint8Array()), 0);
});
