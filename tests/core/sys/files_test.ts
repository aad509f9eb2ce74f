import assert from "node:assert/strict";
import { createSink, openSource, systemFiles } from "../../../core/sys/files.ts";
import { runOk, systemProcesses } from "../../../core/sys/process.ts";
import { isLeftover } from "../../../core/sys/replacement.ts";
import { temporaryFolder } from "../nbd/servers.ts";

Deno.test("write replaces a file as a whole, with its mode, and leaves nothing beside it", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/a b`;
  await Deno.writeTextFile(path, "old", { mode: 0o777 });
  const old = await Deno.open(path);
  await systemFiles.write(path, "new ü");
  assert.equal(await Deno.readTextFile(path), "new ü");
  assert.equal((await systemFiles.inspect(path))?.mode, 0o600);
  // Whoever had it open still reads the old content: it was not written over.
  assert.equal(await new Response(old.readable).text(), "old");
  await systemFiles.write(path, new Uint8Array(3_000_000).fill(7), { mode: 0o644 });
  const info = await systemFiles.inspect(path);
  assert.deepEqual([info?.size, info?.mode], [3_000_000, 0o644]);
  assert.deepEqual(await systemFiles.list(folder.path), ["a b"]);
});

const noTracer = await systemProcesses.run(["strace", "-V"]).then(() => false, () => true);

Deno.test("write is in the order that survives a power cut", { ignore: noTracer }, async () => {
  await using folder = await temporaryFolder();
  const trace = `${folder.path}/trace`;
  const module = new URL("../../../core/sys/files.ts", import.meta.url);
  await runOk(systemProcesses, [
    "strace",
    "-f",
    "-y",
    "-o",
    trace,
    "-e",
    "trace=write,fsync,rename,renameat,renameat2",
    Deno.execPath(),
    "eval",
    `const { systemFiles } = await import(${JSON.stringify(module.href)});
     await systemFiles.write(${JSON.stringify(`${folder.path}/file`)}, "content");`,
  ]);
  const calls = (await Deno.readTextFile(trace)).split("\n")
    .filter((line) => line.includes(folder.path))
    .map((line) => /(\w+)\(/.exec(line)?.[1]);
  assert.deepEqual(calls, ["write", "fsync", "rename", "fsync"]);
});

Deno.test("write that fails leaves the old file, and no temporary one", async () => {
  await using folder = await temporaryFolder();
  await Deno.mkdir(`${folder.path}/taken`);
  await Deno.writeTextFile(`${folder.path}/taken/inside`, "kept");
  await assert.rejects(systemFiles.write(`${folder.path}/taken`, "new"));
  assert.deepEqual(await systemFiles.list(folder.path), ["taken"]);
  assert.equal(await Deno.readTextFile(`${folder.path}/taken/inside`), "kept");
  await assert.rejects(systemFiles.write(`${folder.path}/missing/file`, "new"));
});

Deno.test("appendTo adds whole lines to what is there, and makes a file of its owner only", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/lines`;
  const first = await systemFiles.appendTo(path);
  await first.append("one");
  const second = await systemFiles.appendTo(path);
  await second.append("two");
  await first.append("three");
  await Promise.all([first.close(), second.close()]);
  assert.equal(await Deno.readTextFile(path), "one\ntwo\nthree\n");
  assert.equal((await systemFiles.inspect(path))?.mode, 0o600);
});

Deno.test("lock is held against this process and others, until it is released", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/lock`;
  const lock = await systemFiles.lock(path);
  assert.ok(lock);
  await lock.write("a long first text");
  await lock.write("holder");
  assert.equal(await Deno.readTextFile(path), "holder");
  assert.equal(await systemFiles.lock(path), undefined);
  assert.equal((await systemProcesses.run(["flock", "--nonblock", path, "true"])).code, 1);
  await lock.release();
  assert.equal(await Deno.readTextFile(path), "");
  assert.equal((await systemProcesses.run(["flock", "--nonblock", path, "true"])).code, 0);
  await (await systemFiles.lock(path))?.release();
});

Deno.test("list, inspect and remove take what is missing for missing", async () => {
  await using folder = await temporaryFolder();
  const missing = `${folder.path}/missing`;
  assert.deepEqual(await systemFiles.list(missing), []);
  assert.equal(await systemFiles.inspect(missing), undefined);
  await systemFiles.remove(missing);
  await Deno.writeTextFile(`${folder.path}/file`, "x");
  assert.equal(await systemFiles.inspect(`${folder.path}/file/below`), undefined);
  await assert.rejects(systemFiles.list(`${folder.path}/file`));
});

Deno.test("inspect tells the kind of a file, and remove does not follow a link", async () => {
  await using folder = await temporaryFolder();
  const { path } = folder;
  await Deno.mkdir(`${path}/folder/deep`, { recursive: true });
  await Deno.writeTextFile(`${path}/folder/deep/file`, "12345", { mode: 0o640 });
  await Deno.symlink(`${path}/folder`, `${path}/link`);
  const kind = async (name: string) => (await systemFiles.inspect(`${path}/${name}`))?.kind;
  assert.equal(await kind("folder"), "directory");
  assert.equal(await kind("link"), "symlink");
  assert.equal((await systemFiles.inspectTarget(`${path}/link`))?.kind, "directory");
  const file = await systemFiles.inspect(`${path}/folder/deep/file`);
  assert.deepEqual([file?.kind, file?.size, file?.mode], ["file", 5, 0o640]);
  await systemFiles.remove(`${path}/link`);
  assert.equal(await kind("folder/deep/file"), "file");
  await systemFiles.remove(`${path}/folder`);
  assert.deepEqual(await systemFiles.list(path), []);
});

Deno.test("inspect tells a sparse file by what it occupies", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/sparse`;
  await Deno.writeTextFile(path, "x");
  await Deno.truncate(path, 1024 ** 3);
  const info = await systemFiles.inspect(path);
  assert.equal(info?.size, 1024 ** 3);
  assert.ok(info.allocated < 1024 ** 2);
  const { free, total } = await systemFiles.space(folder.path);
  assert.ok(free > 0 && total > free);
});

Deno.test("createSink writes where it is told, and takes no file that is there", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/image`;
  const sink = await createSink(path);
  sink.writeAt(new Uint8Array([1, 2, 3]), 0);
  sink.writeAt(new Uint8Array([9]), 4);
  sink.truncate(6);
  sink.sync();
  sink.close();
  assert.deepEqual([...await Deno.readFile(path)], [1, 2, 3, 0, 9, 0]);
  assert.equal((await systemFiles.inspect(path))?.mode, 0o600);
  await assert.rejects(createSink(path), { code: "EEXIST" });

  const source = await openSource(path);
  const buffer = new Uint8Array(4);
  assert.equal(source.size, 6);
  assert.equal(source.readAt(buffer, 4), 2);
  assert.deepEqual([...buffer], [9, 0, 0, 0]);
  assert.equal(source.readAt(buffer, 6), 0);
  source.close();
});

Deno.test("makeLink replaces a file or a link in one step, and leaves nothing beside it", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/link`;
  await Deno.writeTextFile(path, "a file");
  for (const target of ["/one", "relative/two"]) {
    await systemFiles.makeLink(path, target);
    assert.equal(await systemFiles.readLink(path), target);
  }
  await Deno.mkdir(`${folder.path}/taken`);
  await assert.rejects(systemFiles.makeLink(`${folder.path}/taken`, "/one"));
  assert.deepEqual(await systemFiles.list(folder.path), ["link", "taken"]);
});

Deno.test("isLeftover knows what a killed write leaves, and nothing else", async () => {
  await using folder = await temporaryFolder();
  let seen = "";
  const watcher = Deno.watchFs(folder.path);
  await systemFiles.write(`${folder.path}/a.conf`, "text");
  for await (const { paths } of watcher) {
    seen = paths[0]?.split("/").at(-1) ?? "";
    break;
  }
  watcher.close();
  assert.match(seen, /\.tmp$/);
  assert.ok(isLeftover(seen, "a.conf"), seen);
  for (const other of ["a.conf", ".a.conf.swp", ".a.conf.tmp", ".b.conf.12345678.tmp"]) {
    assert.ok(!isLeftover(other, "a.conf"), other);
  }
});

Deno.test("makeFolder makes a folder of the current one, and none beside it", async () => {
  await using folder = await temporaryFolder();
  const before = Deno.cwd();
  Deno.chdir(folder.path);
  try {
    await systemFiles.makeFolder("site");
    await systemFiles.makeFolder("one/two");
  } finally {
    Deno.chdir(before);
  }
  assert.deepEqual(await systemFiles.list(folder.path), ["one", "site"]);
});
