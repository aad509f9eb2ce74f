import assert from "node:assert/strict";
import fc from "fast-check";
import {
  escapeName,
  nameArgument,
  parseNameArgument,
  unescapeName,
} from "../../../core/config/escaped_name.ts";
import { nameFault } from "../../../core/config/safe_name.ts";

Deno.test("escapeName keeps plain names, and writes all else as bytes", () => {
  assert.equal(escapeName("prod-db_01.lab"), "prod-db_01.lab");
  assert.equal(escapeName('a b:"$%ü'), "a:20b:3a:22:24:25:c3:bc");
});

Deno.test("unescapeName reads what escapeName wrote, and nothing else", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), (name) => {
    assert.equal(unescapeName(escapeName(name)), name);
    assert.match(escapeName(name), /^[A-Za-z0-9._:-]*$/);
  }));
  for (const wrong of ["a b", ":", ":4", ":4G", ":C3:BC", ":ff", ":61", "a:2"]) {
    assert.equal(unescapeName(wrong), undefined, wrong);
  }
});

Deno.test("parseNameArgument reads names of VMs as people and as jobs write them", () => {
  assert.equal(nameArgument("web-01"), "web-01");
  assert.equal(nameArgument("a b"), "/a:20b");
  assert.equal(parseNameArgument(":20"), ":20");
  assert.equal(parseNameArgument("/etc/pass wd"), "/etc/pass wd");
  const name = fc.string({ unit: "grapheme" }).filter((text) => nameFault(text) === undefined);
  fc.assert(fc.property(name, (text) => {
    assert.equal(parseNameArgument(nameArgument(text)), text);
    assert.equal(parseNameArgument(text), text);
  }));
});
