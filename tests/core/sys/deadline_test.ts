import assert from "node:assert/strict";
import { systemClock } from "../../../core/sys/clock.ts";
import { withDeadline } from "../../../core/sys/deadline.ts";

Deno.test("withDeadline hands on what the work gives, and what it throws", async () => {
  assert.equal(await withDeadline("Work", 10_000, Promise.resolve(7)), 7);
  await assert.rejects(withDeadline("Work", 10_000, Promise.reject(new Error("own"))), /own/);
});

Deno.test("withDeadline does not wait for what never ends, nor for its late failure", async () => {
  const work = Promise.withResolvers<void>();
  await assert.rejects(
    withDeadline('Read of "/mnt/backup"', 20, work.promise, { hint: "Look there" }),
    {
      code: "deadline",
      message: 'Read of "/mnt/backup" gave no answer within 0.02 s',
      hint: "Look there",
    },
  );
  // Without a handler this would end the whole process.
  work.reject(new Error("late"));
  await Promise.resolve();
});

Deno.test("systemClock.sleep ends early with the signal's reason", async () => {
  const reason = new Error("stop");
  await assert.rejects(systemClock.sleep(60_000, AbortSignal.abort(reason)), reason);
  const stop = new AbortController();
  const sleeping = systemClock.sleep(60_000, stop.signal);
  stop.abort(reason);
  await assert.rejects(sleeping, reason);
  await systemClock.sleep(1, new AbortController().signal);
});
