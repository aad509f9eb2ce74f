import assert from "node:assert/strict";
import fc from "fast-check";
import { parseJson } from "../../../core/format/bounded_json.ts";

Deno.test("parseJson reads what JSON.parse reads", () => {
  fc.assert(fc.property(fc.json({ maxDepth: 5 }), (text) => {
    assert.deepEqual(parseJson(text), JSON.parse(text));
  }));
  const brackets = JSON.stringify({ a: '[[["'.repeat(100), "\\": "{".repeat(100) });
  assert.deepEqual(parseJson(brackets), JSON.parse(brackets));
});

Deno.test("parseJson refuses what is deeper than anything of ours, before it takes memory", () => {
  const deep = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`;
  assert.ok(parseJson(deep(40)));
  for (const text of [deep(41), "[".repeat(5e6), '{"a":'.repeat(1e6), `"\\\\"${"[".repeat(41)}`]) {
    assert.throws(() => parseJson(text), /more than 40 levels/);
  }
  assert.throws(() => parseJson("{"), SyntaxError);
});
