import type { Clock } from "../sys/clock.ts";

/**
 * Lets bytes pass at a given rate. A quarter of a second's worth may pass at once, so that requests stay in
 * flight.
 *
 * @param bytesPerSecond `undefined` for no limit
 */
export function rateLimit(
  bytesPerSecond: number | undefined,
  clock: Clock,
  signal?: AbortSignal,
): (bytes: number) => Promise<void> {
  if (bytesPerSecond === undefined) return () => Promise.resolve();
  let due = clock.monotonic();
  return async (bytes) => {
    const now = clock.monotonic();
    due = Math.max(due, now - 250) + (bytes / bytesPerSecond) * 1000;
    if (due > now) await clock.sleep(due - now, signal);
  };
}
