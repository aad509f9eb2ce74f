import assert from "node:assert/strict";
import fc from "fast-check";
import { parseKeyValue } from "../../../core/config/key_value.ts";

/** UTF-16 units of every kind, lone surrogates among them. */
const anyText = fc.array(fc.nat(0xffff), { maxLength: 40 })
  .map((units) => String.fromCharCode(...units));

function values(text: string): Record<string, string> {
  const { assignments, problems } = parseKeyValue(text, "f");
  assert.deepEqual(problems, []);
  return Object.fromEntries(assignments.map(({ key, value }) => [key, value]));
}

Deno.test("parseKeyValue takes values literally, with and without quotes", () => {
  const text = [
    "",
    "# comment",
    "  # indented comment",
    "A=plain",
    "B = spaced out ",
    'C="in double quotes"',
    "D='in $single quotes'  # and a comment",
    "E=$HOME`id`\\n",
    'F="a # b"',
    "G=a#b # comment",
    "H=",
    "I= # nothing",
    "J=it's",
    'K="it\'s"',
    "L=a=b",
    "M=\ttab\t",
    'N=""',
    "O=#literal",
  ].join("\n");
  assert.deepEqual(values(text), {
    A: "plain",
    B: "spaced out",
    C: "in double quotes",
    D: "in $single quotes",
    E: "$HOME`id`\\n",
    F: "a # b",
    G: "a#b",
    H: "",
    I: "",
    J: "it's",
    K: "it's",
    L: "a=b",
    M: "tab",
    N: "",
    O: "#literal",
  });
});

Deno.test("parseKeyValue takes CRLF for a line end", () => {
  assert.deepEqual(values('A=1\r\nB="2"\r\n\r\n# c\r\nC=\r\n'), { A: "1", B: "2", C: "" });
});

Deno.test("parseKeyValue tells the places of keys and values", () => {
  const { assignments } = parseKeyValue("\n  A =  'x'\nB=\n", "f");
  assert.deepEqual(assignments, [
    { key: "A", value: "x", line: 2, keyColumn: 3, valueColumn: 8 },
    { key: "B", value: "", line: 3, keyColumn: 1, valueColumn: 3 },
  ]);
});

Deno.test("parseKeyValue parses again what was written in quotes", () => {
  const value = fc.string({ unit: "grapheme" }).filter((text) =>
    // deno-lint-ignore no-control-regex
    !/[\u0000-\u0008\u000a-\u001f\u007f]/.test(text) && !(text.includes("'") && text.includes('"'))
  );
  fc.assert(fc.property(value, (text) => {
    const quote = text.includes('"') ? "'" : '"';
    assert.deepEqual(values(`KEY=${quote}${text}${quote}`), { KEY: text });
  }));
});

Deno.test("parseKeyValue never throws, places each problem in the text and repeats no value", () => {
  const unit = fc.constantFrom(..."AB_=#'\"$\\ \t\r\n\u0000é");
  fc.assert(fc.property(fc.oneof(fc.string({ unit }), anyText), (text) => {
    const lines = text.split("\n");
    const { problems, assignments } = parseKeyValue(text, "f");
    for (const { line = 0, column = 0, message } of problems) {
      assert.ok(column >= 1 && column <= (lines[line - 1]?.length ?? -1) + 1, message);
    }
    for (const { line, value } of assignments) assert.ok(lines[line - 1]?.includes(value));
  }));
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom(..."klmnopq"), minLength: 12, maxLength: 12 }),
      (secret) => {
        for (
          const line of [
            secret,
            `A="${secret}`,
            `A='' ${secret}`,
            `https://x/${secret}?a=b`,
            `A=${secret}\nA=${secret}`,
          ]
        ) {
          const { problems } = parseKeyValue(line, "f");
          assert.equal(problems.length, 1);
          assert.ok(!JSON.stringify(problems).includes(secret));
        }
      },
    ),
  );
});
