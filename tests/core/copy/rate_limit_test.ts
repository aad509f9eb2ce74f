import fc from "fast-check";
import assert from "node:assert/strict";
import { rateLimit } from "../../../core/copy/rate_limit.ts";
import { fakeClock } from "../sys/fake_clock.ts";

Deno.test("rateLimit lets through what the rate allows, whatever the pieces and the pauses", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1000, max: 10 ** 9 }),
      fc.array(
        fc.record({
          bytes: fc.integer({ min: 1, max: 4 * 2 ** 20 }),
          pauseMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 5000 })),
        }),
        { minLength: 1, maxLength: 50 },
      ),
      async (rate, pieces) => {
        const clock = fakeClock();
        const limit = rateLimit(rate, clock);
        const passed: { at: number; bytes: number }[] = [];
        for (const { bytes, pauseMs } of pieces) {
          clock.advance(pauseMs);
          await limit(bytes);
          passed.push({ at: clock.monotonic(), bytes });
        }
        // In any stretch of time: never more than the rate, and a quarter of a second at once.
        for (const [from, first] of passed.entries()) {
          let sum = 0;
          for (const { at, bytes } of passed.slice(from + 1)) {
            sum += bytes;
            const allowed = rate * (at - first.at + 250) / 1000;
            assert.ok(sum <= allowed * 1.0001 + 1, `${sum} in ${at - first.at} ms at ${rate}`);
          }
        }
        // And no slower than it has to be.
        const total = pieces.reduce((sum, { bytes }) => sum + bytes, 0);
        const waited = clock.slept.reduce((sum, ms) => sum + ms, 0);
        assert.ok(waited <= total / rate * 1000 + 1);
      },
    ),
    { numRuns: 100 },
  );
});

Deno.test("rateLimit keeps its rate over a long time, shared by two readers", async () => {
  const clock = fakeClock();
  const limit = rateLimit(100_000_000, clock);
  for (let piece = 0; piece < 1000; piece++) await Promise.all([limit(2 ** 20), limit(2 ** 20)]);
  const rate = 2000 * 2 ** 20 / (clock.monotonic() / 1000);
  assert.ok(Math.abs(rate - 100_000_000) < 2_000_000, String(rate));
});

Deno.test("rateLimit without a rate never waits, and a wait ends with the signal", async () => {
  const clock = fakeClock();
  await rateLimit(undefined, clock)(10 ** 12);
  assert.deepEqual(clock.slept, []);
  const reason = new Error("stop");
  await assert.rejects(rateLimit(1000, clock, AbortSignal.abort(reason))(10 ** 6), reason);
});
