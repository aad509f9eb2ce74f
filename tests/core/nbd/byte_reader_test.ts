import assert from "node:assert/strict";
import fc from "fast-check";
import { ByteReader } from "../../../core/nbd/byte_reader.ts";

const peer = { socketPath: "/s", exportName: "vda" };

/** A socket that hands out `bytes` in pieces of the given sizes, the last size repeated. */
function pieces(bytes: Uint8Array, sizes: readonly number[]) {
  let at = 0;
  let turn = 0;
  return {
    read(buffer: Uint8Array): Promise<number | null> {
      if (at === bytes.length) return Promise.resolve(null);
      const size = sizes[Math.min(turn++, sizes.length - 1)] ?? 1;
      const piece = bytes.subarray(at, at + Math.min(size, buffer.length));
      buffer.set(piece);
      at += piece.length;
      return Promise.resolve(piece.length);
    },
  };
}

Deno.test("ByteReader returns the stream's bytes however the socket cuts them", async () => {
  const step = fc.record({
    header: fc.boolean(),
    length: fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 8192 })),
  });
  const sizes = fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1 });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), sizes, async (steps, cuts) => {
      const total = steps.reduce((sum, { length }) => sum + length, 0);
      const stream = Uint8Array.from(
        { length: total },
        (_, index) => (index * 31 + index / 256) & 255,
      );
      const reader = new ByteReader(pieces(stream, cuts), peer);
      let at = 0;
      for (const { header, length } of steps) {
        let got: Uint8Array;
        if (header) {
          const view = await reader.take(length);
          got = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
        } else {
          const target = new Uint8Array(length);
          await reader.fill(target);
          got = target;
        }
        assert.deepEqual(got, stream.subarray(at, at + length));
        at += length;
      }
      await assert.rejects(reader.take(1), { code: "nbd.disconnected" });
    }),
  );
});

Deno.test("ByteReader names server, export and cause when the socket fails", async () => {
  const reader = new ByteReader({ read: () => Promise.reject(new Error("reset by peer")) }, peer);
  await assert.rejects(reader.fill(new Uint8Array(1)), {
    code: "nbd.disconnected",
    message: 'NBD connection to export "vda" on "/s" ended: reset by peer',
  });
});
