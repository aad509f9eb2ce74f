const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/**
 * Formats a duration for people, in two units at most: `42 ms`, `0.42 s`, `12.3 s`, `1 m 23 s`,
 * `2 h 5 m`, `3 d 4 h`.
 *
 * @param ms milliseconds; a negative duration is shown as `0 ms`
 */
export function formatDuration(ms: number): string {
  if (ms < 99.5) return `${Math.max(0, Math.round(ms))} ms`;
  // The limits are those below which the rounded text still fits its unit.
  if (ms < 9.995 * second) return `${(ms / second).toFixed(2)} s`;
  if (ms < 59.95 * second) return `${(ms / second).toFixed(1)} s`;
  if (ms < hour - second / 2) return twoUnits(ms, second, "m", "s", 60);
  if (ms < day - minute / 2) return twoUnits(ms, minute, "h", "m", 60);
  return twoUnits(ms, hour, "d", "h", 24);
}

function twoUnits(ms: number, small: number, big: string, rest: string, ratio: number): string {
  const count = Math.round(ms / small);
  return `${Math.floor(count / ratio)} ${big} ${count % ratio} ${rest}`;
}
