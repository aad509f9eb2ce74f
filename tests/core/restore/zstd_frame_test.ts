import assert from "node:assert/strict";
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import * as fc from "fast-check";
import { zstdFrameLength } from "../../../core/restore/zstd_frame.ts";

Deno.test("zstdFrameLength finds the end of every frame, whatever follows it", () => {
  const content = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.nat(400_000).map((length) => new Uint8Array(length).fill(7)),
    fc.tuple(fc.nat(400_000), fc.uint8Array({ minLength: 1, maxLength: 50 })).map(
      ([length, pattern]) =>
        new Uint8Array(length).map((_, at) => (pattern[at % pattern.length] ?? 0) ^ at >> 9),
    ),
    fc.constant(crypto.getRandomValues(new Uint8Array(65_536))),
  );
  fc.assert(
    fc.property(
      content,
      fc.constantFrom(1, 3, 19),
      fc.boolean(),
      fc.uint8Array({ maxLength: 600 }),
      (bytes, level, checksum, tail) => {
        const frame = zstdCompressSync(bytes, {
          params: {
            [constants.ZSTD_c_compressionLevel]: level,
            [constants.ZSTD_c_checksumFlag]: Number(checksum),
          },
        });
        // The encoder may put an empty frame behind it.
        const length = zstdFrameLength(new Uint8Array([...frame, ...tail])) ?? 0;
        assert.deepEqual(
          new Uint8Array(zstdDecompressSync(frame.subarray(0, length))),
          new Uint8Array(bytes),
        );
        for (const cut of [1, 3, 4, length >> 1]) {
          assert.equal(zstdFrameLength(frame.subarray(0, length - cut)), undefined);
        }
      },
    ),
    { numRuns: 40 },
  );
});

Deno.test("zstdFrameLength takes nothing else for a frame", () => {
  for (const bytes of ["", "28b52ffd", "28b52ffe0000", "28b52ffd00580700000000000000"]) {
    assert.equal(zstdFrameLength(Uint8Array.fromHex(bytes)), undefined);
  }
});
