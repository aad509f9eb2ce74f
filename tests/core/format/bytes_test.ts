import assert from "node:assert/strict";
import fc from "fast-check";
import { formatBytes, parseBytes } from "../../../core/format/bytes.ts";

Deno.test("formatBytes shows one decimal at most and changes unit at 1024", () => {
  const table: readonly (readonly [number, string])[] = [
    [0, "0 B"],
    [1, "1 B"],
    [1023, "1023 B"],
    [1024, "1 KiB"],
    [1536, "1.5 KiB"],
    [1024 ** 2 - 1, "1 MiB"],
    [1024 ** 2 - 52 * 1024, "972 KiB"],
    [50 * 1024 ** 3, "50 GiB"],
    [1.25 * 1024 ** 4, "1.3 TiB"],
    [3000 * 1024 ** 5, "3000 PiB"],
    [-1536, "-1.5 KiB"],
  ];
  for (const [bytes, text] of table) assert.equal(formatBytes(bytes), text);
});

Deno.test("parseBytes reads binary suffixes in every spelling", () => {
  const table: readonly (readonly [string, number])[] = [
    ["0", 0],
    ["4096", 4096],
    ["4096B", 4096],
    ["200M", 200 * 1024 ** 2],
    ["200m", 200 * 1024 ** 2],
    ["200MB", 200 * 1024 ** 2],
    ["200MiB", 200 * 1024 ** 2],
    ["200 MiB", 200 * 1024 ** 2],
    ["1.5G", 1.5 * 1024 ** 3],
    ["0.1K", 102],
    ["2T", 2 * 1024 ** 4],
    ["1P", 1024 ** 5],
  ];
  for (const [text, bytes] of table) assert.equal(parseBytes(text), bytes, text);
});

Deno.test("parseBytes refuses bits, signs, other units and what is beyond 2^53", () => {
  const texts = ["", " ", "M", "200Mb", "200b", "-1", "+1", "1,5G", "1.G", ".5G", "1e3", "0x10"];
  for (const text of [...texts, "1 0", "1  M", "1M ", "1X", "9P9", "9007199254740992", "9999P"]) {
    assert.equal(parseBytes(text), undefined, text);
  }
});

Deno.test("parseBytes reads what formatBytes wrote, within the rounding of one decimal", () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 2 ** 50 }), (bytes) => {
    const back = parseBytes(formatBytes(bytes));
    assert.ok(back !== undefined && Math.abs(back - bytes) <= Math.max(1, bytes * 0.051));
  }));
});
