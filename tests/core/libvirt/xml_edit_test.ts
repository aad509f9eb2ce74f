import assert from "node:assert/strict";
import type { XmlElement } from "@rgrove/parse-xml";
import * as fc from "fast-check";
import {
  applyEdits,
  attributeEdit,
  type Edit,
  escapeXml,
  insertionAfter,
  insertionInto,
  removal,
  replacement,
  textEdit,
} from "../../../core/libvirt/xml_edit.ts";
import { attribute, child, children, parseDomain } from "../../../core/libvirt/xml_element.ts";

const rich = await Deno.readTextFile(new URL("domains/rich.xml", import.meta.url));

function edited(xml: string, edit: (xml: string, name: XmlElement) => Edit): string {
  const element = child(parseDomain(xml), "name");
  assert.ok(element);
  return applyEdits(xml, [edit(xml, element)]);
}

Deno.test("removal takes the element's line when it stands there alone, else only the element", () => {
  for (
    const [before, after] of [
      ["<domain>\n  <name>a</name>\n  <b/>\n</domain>", "<domain>\n  <b/>\n</domain>"],
      ["<domain>\r\n  <name/>\r\n  <b/>\r\n</domain>", "<domain>\r\n  <b/>\r\n</domain>"],
      ["<domain><name/><b/></domain>", "<domain><b/></domain>"],
      ["<domain>\n  <name/> <b/>\n</domain>", "<domain>\n   <b/>\n</domain>"],
      ["<domain>🧪\n<name>\n <c/>\n</name>  \n</domain>", "<domain>🧪\n</domain>"],
      ["<domain>\n  <name/></domain>", "<domain>\n  </domain>"],
    ] as const
  ) assert.equal(edited(before, removal), after);
});

Deno.test("attributeEdit replaces, adds and removes, and keeps quotes and spacing", () => {
  const set = (value: string | undefined) => (xml: string, element: XmlElement) =>
    attributeEdit(xml, element, "a", value);
  for (
    const [before, value, after] of [
      [`<name a='1'/>`, "2", `<name a='2'/>`],
      [`<name  b = "x>'"  a = "1" />`, `<'">`, `<name  b = "x>'"  a = "&lt;&apos;&quot;&gt;" />`],
      [`<name/>`, "1", `<name a='1'/>`],
      [`<name />`, "1", `<name a='1' />`],
      [`<name\n  b='a="7"'>t</name>`, "1", `<name\n  b='a="7"' a='1'>t</name>`],
      [`<name a='1' b='2'/>`, undefined, `<name b='2'/>`],
      [`<name b='2'/>`, undefined, `<name b='2'/>`],
    ] as const
  ) {
    assert.equal(edited(`<domain>${before}</domain>`, set(value)), `<domain>${after}</domain>`);
  }
});

Deno.test("textEdit puts a text in the place of all content", () => {
  for (
    const [before, after] of [
      ["<name>old</name>", "<name>a&lt;b</name>"],
      ["<name/>", "<name>a&lt;b</name>"],
      ["<name x='>' />", "<name x='>'>a&lt;b</name>"],
      ["<name><c/>\n</name >", "<name>a&lt;b</name >"],
    ] as const
  ) {
    assert.equal(
      edited(`<domain>${before}</domain>`, (xml, element) => textEdit(xml, element, "a<b")),
      `<domain>${after}</domain>`,
    );
  }
});

Deno.test("insertionInto and insertionAfter indent like the neighbours", () => {
  const inside = (xml: string, element: XmlElement) => insertionInto(xml, element, "<x/>");
  const after = (xml: string, element: XmlElement) => insertionAfter(xml, element, "<x/>");
  const tree = "<domain>\n  <name>\n    <c/>\n  </name>\n</domain>";
  assert.equal(
    edited(tree, inside),
    "<domain>\n  <name>\n    <c/>\n    <x/>\n  </name>\n</domain>",
  );
  assert.equal(edited(tree, after), "<domain>\n  <name>\n    <c/>\n  </name>\n  <x/>\n</domain>");
  assert.equal(
    edited("<domain>\n  <name/>\n</domain>", inside),
    "<domain>\n  <name>\n    <x/>\n  </name>\n</domain>",
  );
  assert.equal(edited("<domain><name/></domain>", after), "<domain><name/><x/></domain>");
});

Deno.test("applyEdits keeps the order of insertions and voids an edit inside a replaced span", () => {
  assert.equal(
    applyEdits("abcdef", [
      { start: 3, end: 4, text: "" },
      { start: 1, end: 5, text: "X" },
      { start: 1, end: 1, text: "1" },
      { start: 1, end: 1, text: "2" },
      { start: 5, end: 5, text: "3" },
    ]),
    "a12X3f",
  );
  assert.throws(
    () => applyEdits("abcdef", [{ start: 1, end: 3, text: "" }, { start: 2, end: 5, text: "" }]),
    /Edits overlap: 1-3 and 2-5/,
  );
});

Deno.test("escapeXml survives a parser, as an attribute and as a text", () => {
  const text = fc.string({ unit: "grapheme" }).map((value) =>
    value.replace(/[^\t\n\P{C}]|[\uFFFE\uFFFF]/gu, "_")
  );
  fc.assert(fc.property(text, text, (value, content) => {
    const xml = `<domain><name a='${escapeXml(value)}'>${escapeXml(content)}</name></domain>`;
    const element = child(parseDomain(xml), "name");
    assert.equal(attribute(element, "a"), value);
    assert.equal(element?.text, content);
  }));
});

Deno.test("edits of a real domain change what they name and no other byte", () => {
  const domain = parseDomain(rich);
  const devices = child(domain, "devices");
  assert.ok(devices);
  const all = devices.children.filter((node): node is XmlElement => node.type === "element");
  fc.assert(fc.property(
    fc.uniqueArray(fc.nat(all.length - 1)),
    fc.string(),
    (indexes, value) => {
      const chosen = indexes.map((index) => all[index]).filter((element) => element !== undefined);
      const marked = applyEdits(
        rich,
        chosen.map((element) => attributeEdit(rich, element, "mark", value)),
      );
      const added = ` mark='${escapeXml(value)}'`;
      assert.equal(marked.length, rich.length + chosen.length * added.length);
      assert.equal(marked.replaceAll(added, () => ""), rich);
      const cut = applyEdits(rich, chosen.map((element) => removal(rich, element)));
      const left = child(parseDomain(cut), "devices");
      assert.equal(
        left?.children.filter((node) => node.type === "element").length,
        all.length - chosen.length,
      );
    },
  ));
  const [first] = children(devices, "disk");
  assert.ok(first);
  assert.equal(
    applyEdits(rich, [replacement(first, rich.slice(first.start, first.end))]),
    rich,
  );
});
