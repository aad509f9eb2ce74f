const suffixes = ["K", "M", "G", "T", "P"] as const;

/**
 * Formats a count of bytes for people: `1.5 KiB`, `50 GiB`, `0 B`.
 *
 * One decimal at most, none when it would be zero. Units are binary: 1 KiB is 1024 bytes.
 *
 * @param bytes a count of bytes; a negative one keeps its sign
 */
export function formatBytes(bytes: number): string {
  let value = Math.abs(bytes);
  let unit = "B";
  for (const suffix of suffixes) {
    // 1023.96 KiB would be shown as 1024 KiB, so the rounded value decides.
    if (rounded(value) < 1024) break;
    value /= 1024;
    unit = `${suffix}iB`;
  }
  const sign = bytes < 0 ? "-" : "";
  return `${sign}${rounded(value)} ${unit}`;
}

/**
 * Reads a count of bytes as people write it: `4096`, `200M`, `1.5G`, `64 KiB`, `200MB`.
 *
 * K, M, G, T and P are binary whatever follows them (`B`, `iB` or nothing), in either case; a lower-case
 * `b` is refused because it means bits elsewhere. A fraction of a byte is rounded.
 *
 * @returns bytes, or `undefined` when the text is no count of bytes or more than 2^53
 */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?) ?(?:([KMGTP])(?:i?B)?|B)?$/i.exec(text);
  if (match === null || text.endsWith("b")) return undefined;
  const suffix = match[2]?.toUpperCase();
  const power = suffix === undefined ? 0 : suffixes.findIndex((each) => each === suffix) + 1;
  const bytes = Math.round(Number(match[1]) * 1024 ** power);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}
