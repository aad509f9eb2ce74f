import assert from "node:assert/strict";
import { VmbError } from "../../../core/error.ts";
import { compareTree } from "../../../core/render/compare_tree.ts";
import { renderedTree } from "../../../core/render/tree.ts";
import { markerName, writeTree } from "../../../core/render/write_tree.ts";
import { systemFiles } from "../../../core/sys/files.ts";
import { temporaryFolder } from "../nbd/servers.ts";

Deno.test("writeTree writes what differs, and removes only what it once wrote", async () => {
  await using folder = await temporaryFolder();
  const out = `${folder.path}/new/out`;
  const first = renderedTree({ "a/b/c": "1", "a/d": "2", "e": "3" });
  assert.deepEqual(await writeTree(systemFiles, first, out), {
    written: ["a/b/c", "a/d", "e"],
    removed: [],
    unchanged: [],
  });
  assert.deepEqual(await compareTree(systemFiles, first, out), []);
  await Deno.writeTextFile(`${out}/mine`, "kept");
  const second = renderedTree({ "a/d": "2", "e": "4" });
  assert.deepEqual(await writeTree(systemFiles, second, out), {
    written: ["e"],
    removed: ["a/b/c"],
    unchanged: ["a/d"],
  });
  assert.deepEqual(await systemFiles.list(`${out}/a`), ["d"]);
  assert.equal(await Deno.readTextFile(`${out}/mine`), "kept");
  assert.equal(((await Deno.stat(`${out}/e`)).mode ?? 0) & 0o777, 0o644);
});

Deno.test("writeTree goes on where it was interrupted, and loses sight of no file", async () => {
  await using folder = await temporaryFolder();
  const before = renderedTree({ a: "1", b: "2" });
  await writeTree(systemFiles, before, folder.path);
  const failing = {
    ...systemFiles,
    remove: () => Promise.reject(new Error("pulled out")),
  };
  const after = renderedTree({ c: "3" });
  await assert.rejects(writeTree(failing, after, folder.path), /pulled out/);
  const { removed } = await writeTree(systemFiles, after, folder.path);
  assert.deepEqual(removed, ["a", "b"]);
  assert.deepEqual(await systemFiles.list(folder.path), [markerName, "c"]);
});

Deno.test("writeTree refuses a folder with the files of somebody else", async () => {
  await using folder = await temporaryFolder();
  await Deno.writeTextFile(`${folder.path}/x`, "");
  const tree = renderedTree({ a: "1" });
  for (const target of [folder.path, `${folder.path}/x`]) {
    await assert.rejects(
      writeTree(systemFiles, tree, target),
      (error) => error instanceof VmbError && error.code === "render.folder" && error.exit === 2,
    );
  }
  assert.deepEqual(await systemFiles.list(folder.path), ["x"]);
});

Deno.test("writeTree removes nothing outside of its folder, whatever the marker says", async () => {
  await using folder = await temporaryFolder();
  const out = `${folder.path}/out`;
  await writeTree(systemFiles, renderedTree({ a: "1" }), out);
  await Deno.writeTextFile(`${folder.path}/victim`, "");
  await Deno.writeTextFile(`${out}/${markerName}`, "a\n../victim\n/etc/hostname-of-vmb\n");
  const { removed } = await writeTree(systemFiles, renderedTree({ a: "1" }), out);
  assert.deepEqual(removed, []);
  assert.deepEqual(await systemFiles.list(folder.path), ["out", "victim"]);
});

Deno.test("compareTree tells what is missing, changed and extra", async () => {
  await using folder = await temporaryFolder();
  const tree = renderedTree({ "a/b": "1\n", "a/c": "2\n", "d/e": "3\n" });
  await writeTree(systemFiles, tree, folder.path);
  await Deno.writeTextFile(`${folder.path}/a/b`, "changed\n");
  await Deno.remove(`${folder.path}/a/c`);
  await Deno.writeTextFile(`${folder.path}/d/f`, "extra\n");
  await Deno.mkdir(`${folder.path}/other`);
  await Deno.writeTextFile(`${folder.path}/other/g`, "not ours\n");
  const differences = await compareTree(systemFiles, tree, folder.path);
  assert.deepEqual(differences.map(({ path, kind }) => [path, kind]), [
    ["a/b", "changed"],
    ["a/c", "missing"],
    ["d/f", "extra"],
  ]);
  assert.match(differences[0]?.diff ?? "", /^--- a\/b\n\+\+\+ a\/b\n@@ [^\n]*\n-changed\n\+1\n$/);
  assert.match(differences[1]?.diff ?? "", /^--- \/dev\/null\n/);
  assert.match(differences[2]?.diff ?? "", /\n\+\+\+ \/dev\/null\n/);
});
