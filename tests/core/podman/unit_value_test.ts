import assert from "node:assert/strict";
import fc from "fast-check";
import { ConfigError } from "../../../core/error.ts";
import { mountFolder, timeZoneName, unitValue } from "../../../core/podman/unit_value.ts";

Deno.test("unitValue doubles the percent signs, and leaves other text as it is", () => {
  assert.equal(unitValue("Lab \"A\" 100% $HOME 'é'"), "Lab \"A\" 100%% $HOME 'é'");
});

Deno.test("unitValue refuses what would end, join or lose part of its line", () => {
  for (const text of ["a\nb", "a\rb", "a\0b", "a\u2028b", "a\\", " a", "a ", "\ud800"]) {
    assert.throws(() => unitValue(text), ConfigError, JSON.stringify(text));
  }
});

const anyText = fc.oneof(
  fc.string({ unit: "binary-ascii" }),
  fc.array(fc.constantFrom("%", "%%", "\\", "\n", "\u2028", "é", "\ud800", " ", "$", "n")).map((
    parts,
  ) => parts.join("")),
);

Deno.test("unitValue gives one line that systemd reads as the text, or refuses the text", () => {
  fc.assert(fc.property(anyText, (text) => {
    let line: string;
    try {
      line = unitValue(text);
    } catch (error) {
      assert.ok(error instanceof ConfigError);
      return;
    }
    assert.match(line, /^[^\n\r\0]*$/);
    assert.ok(!line.endsWith("\\"));
    // Every % is one of a pair, so none begins a specifier.
    assert.match(line, /^([^%]|%%)*$/);
    assert.equal(line.replaceAll("%%", "%"), text);
  }));
});

Deno.test("mountFolder takes plain absolute paths only", () => {
  for (const path of ["/mnt/backup", "/srv/100%", "/a/b.c_d-e@f+g=h~"]) {
    assert.equal(mountFolder(path), path);
  }
  for (
    const path of [
      ...["", "/", "mnt", "mnt/backup", "/a/", "/a//b", "/a/../b", "/a/./b", "/a b", "/a:b"],
      ...["/a,b", "/a$b", '/a"b', "/a'b", "/a\\b", "/a\nb", "/a*b", "/a;b"],
    ]
  ) {
    assert.throws(() => mountFolder(path), ConfigError, path);
  }
});

Deno.test("timeZoneName takes the names of tzdata only", () => {
  for (const name of ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+3"]) {
    assert.equal(timeZoneName(name), name);
  }
  for (const name of ["", "/etc/passwd", "../x", "Europe/", "Europe/Ber lin", "a\nb", "local=x"]) {
    assert.throws(() => timeZoneName(name), ConfigError, name);
  }
});
