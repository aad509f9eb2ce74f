import assert from "node:assert/strict";
import { joinTrees, parentFolders, renderedTree } from "../../../core/render/tree.ts";

Deno.test("renderedTree orders its files by path", () => {
  const tree = renderedTree({ "b/c": "1", a: "2", "b/a": "3" });
  assert.deepEqual([...tree], [
    ["a", { content: "2", mode: 0o644 }],
    ["b/a", { content: "3", mode: 0o644 }],
    ["b/c", { content: "1", mode: 0o644 }],
  ]);
});

Deno.test("joinTrees refuses one path twice, paths that leave, and a file as a folder", () => {
  assert.throws(() => joinTrees([renderedTree({ a: "" }), renderedTree({ a: "" })]), /"a" twice/);
  for (const path of ["", "/a", "a/", "a//b", "../a", "a/./b", "."]) {
    assert.throws(() => renderedTree({ [path]: "" }), /expected a relative path/, path);
  }
  assert.throws(() => renderedTree({ a: "", "a/b": "" }), /below the file "a"/);
});

Deno.test("parentFolders lists the outermost first", () => {
  assert.deepEqual(parentFolders("a/b/c"), ["a", "a/b"]);
  assert.deepEqual(parentFolders("a"), []);
});
