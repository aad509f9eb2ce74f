import assert from "node:assert/strict";
import fc from "fast-check";
import { quoted } from "../../../core/format/quoted.ts";

/** UTF-16 units of every kind, lone surrogates among them. */
const anyText = fc.array(fc.nat(0xffff), { maxLength: 40 })
  .map((units) => String.fromCharCode(...units));

Deno.test("quoted leaves readable text as it is and escapes what a terminal would act on", () => {
  assert.equal(quoted("Büro $HOME 100%"), '"Büro $HOME 100%"');
  assert.equal(quoted('a"b\\c'), '"a\\"b\\\\c"');
  assert.equal(quoted("a\n\u001b[31m"), '"a\\n\\u001b[31m"');
  assert.equal(quoted("\u009b\u202e\u2028\ud800"), '"\\u009b\\u202e\\u2028\\ud800"');
});

Deno.test("quoted cuts a long text between characters", () => {
  assert.equal(quoted("x".repeat(300)), `"${"x".repeat(200)}…"`);
  assert.equal(quoted("😀😀😀", 2), '"😀😀…"');
});

Deno.test("quoted is JSON for the text and has no control character", () => {
  fc.assert(fc.property(anyText, (text) => {
    assert.equal(JSON.parse(quoted(text)), text);
    assert.doesNotMatch(quoted(text), /[\p{Cc}\p{Cs}\u2028\u2029]/u);
  }));
});
