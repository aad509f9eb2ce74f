import assert from "node:assert/strict";
import { dropCache, WriteBehind } from "../../../core/copy/write_behind.ts";
import { runOk } from "../../../core/sys/process.ts";
import { realSystem } from "../../../core/sys/system.ts";

const mebibyte = 1024 ** 2;
const never = new AbortController().signal;

Deno.test("WriteBehind writes out and drops what was written, stride by stride", async () => {
  await using file = await growingFile();
  const durable: number[] = [];
  const behind = new WriteBehind(realSystem, {
    path: file.path,
    signal: never,
    stride: mebibyte,
    onDurable: (upTo) => durable.push(upTo),
  });
  await file.grow(mebibyte / 2);
  behind.wrote(mebibyte / 2);
  await behind.settle();
  assert.equal(await residentBytes(file.path), mebibyte / 2);
  await file.grow(mebibyte / 2);
  assert.deepEqual(durable, []);
  behind.wrote(mebibyte);
  await behind.settle();
  assert.equal(await residentBytes(file.path), 0);
  await file.grow(mebibyte);
  behind.wrote(2 * mebibyte);
  await behind.settle();
  assert.equal(await residentBytes(file.path), 0);
  assert.deepEqual(durable, [mebibyte, 2 * mebibyte]);
});

Deno.test("WriteBehind leaves an error to the one who writes the file", async () => {
  const path = "/nowhere/at/all";
  const behind = new WriteBehind(realSystem, { path, signal: never, stride: 1 });
  behind.wrote(1);
  await behind.settle();
});

Deno.test("WriteBehind touches the file no more once it was told to stop", async () => {
  await using file = await growingFile();
  const behind = new WriteBehind(realSystem, {
    path: file.path,
    signal: AbortSignal.abort(),
    stride: 1,
  });
  await file.grow(mebibyte);
  behind.wrote(mebibyte);
  await behind.settle();
  assert.equal(await residentBytes(file.path), mebibyte);
});

Deno.test("dropCache keeps what is not durable yet, and every byte of the file", async () => {
  await using file = await growingFile();
  await file.grow(mebibyte);
  await dropCache(realSystem, file.path, never);
  assert.equal((await Deno.readFile(file.path)).length, mebibyte);
  await realSystem.files.syncFile(file.path);
  await dropCache(realSystem, file.path, never);
  assert.equal(await residentBytes(file.path), 0);
  assert.ok((await Deno.readFile(file.path)).every((byte) => byte === 7));
});

interface GrowingFile extends AsyncDisposable {
  readonly path: string;
  grow(bytes: number): Promise<void>;
}

/** On a disk: in a file system that lives in memory, nothing can be dropped. */
async function growingFile(): Promise<GrowingFile> {
  const path = await Deno.makeTempFile({ dir: "/var/tmp", prefix: "vmb-behind-" });
  return {
    path,
    grow: (bytes) => Deno.writeFile(path, new Uint8Array(bytes).fill(7), { append: true }),
    [Symbol.asyncDispose]: () => Deno.remove(path),
  };
}

async function residentBytes(path: string): Promise<number> {
  const { stdout } = await runOk(realSystem.processes, [
    ...["fincore", "--bytes", "--noheadings", "--output", "RES", path] as const,
  ]);
  return Number(stdout);
}
