import assert from "node:assert/strict";
import fc from "fast-check";
import { quote } from "../../../core/bacula/quote.ts";

/** Reads a quoted string as lib/lex.c does: a backslash takes the meaning of what follows it. */
function unquote(quoted: string): string {
  const [, inside] = /^"((?:[^"\\]|\\[\s\S])*)"$/.exec(quoted) ?? [];
  assert.ok(inside !== undefined, quoted);
  return inside.replace(/\\([\s\S])/g, "$1");
}

Deno.test("quote writes a text that Bacula reads back", () => {
  assert.equal(quote('a "b" \\ $c %d @e #f; {g}'), '"a \\"b\\" \\\\ $c %d @e #f; {g}"');
  // deno-lint-ignore no-control-regex
  const printable = fc.string({ unit: "grapheme" }).filter((text) => !/[\0-\x1f\x7f]/.test(text));
  fc.assert(fc.property(printable, (text) => assert.equal(unquote(quote(text)), text)));
});

Deno.test("quote refuses what would end the line, or is no text", () => {
  for (const text of ["a\nb", "\0", "\r", "\t", "\x7f", "\ud800"]) assert.throws(() => quote(text));
});
