import type { Clock } from "../../../core/sys/clock.ts";

/** A clock that only its owner turns; whoever sleeps turns it too, and returns at once. */
export interface FakeClock extends Clock {
  advance(ms: number): void;
  /** Every sleep so far, in milliseconds. */
  readonly slept: readonly number[];
}

export function fakeClock(start = "2026-11-21T12:00:00.000Z"): FakeClock {
  const slept: number[] = [];
  let passed = 0;
  return {
    now: () => new Date(Date.parse(start) + passed),
    monotonic: () => passed,
    sleep(ms, signal) {
      if (signal?.aborted) return Promise.reject(signal.reason);
      slept.push(ms);
      passed += Math.max(0, ms);
      return Promise.resolve();
    },
    advance: (ms) => void (passed += ms),
    slept,
  };
}
