import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { createClusterDigest } from "../../../core/block_map/cluster_digest.ts";
import { FileDigest } from "../../../core/block_map/file_digest.ts";
import { readBack, ReadingBack } from "../../../core/repository/read_back.ts";
import { runOk, systemProcesses } from "../../../core/sys/process.ts";
import { temporaryFolder } from "../nbd/servers.ts";

const system = { processes: systemProcesses };
const MiB = 1024 ** 2;
const seed = "00000000000000ff";

Deno.test("readBack hashes a file of any size, past the cache and through it", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/image`;
  const hasher = await createClusterDigest(seed);
  for (const size of [0, 1, 65_537, 4 * MiB, 4 * MiB + 1, 13 * MiB + 4096]) {
    const bytes = randomBytes(size);
    await Deno.writeFile(path, bytes);
    const digest = new FileDigest(hasher);
    digest.add(bytes);
    const expected = { size, sha256: sha256(bytes), digests: digest.finish() };
    for (const dropCache of [false, true]) {
      assert.deepEqual(await readBack(system, path, { ...options(), seed, dropCache }), expected);
    }
  }
});

Deno.test("readBack tells how far it is", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/image`;
  await Deno.writeTextFile(path, "");
  await Deno.truncate(path, 200 * MiB);
  const told: number[] = [];
  await readBack(system, path, { ...options(), onProgress: (done) => told.push(done) });
  assert.deepEqual(told, [64 * MiB, 128 * MiB, 192 * MiB]);
});

Deno.test("readBack drops this machine's cache of the file before it reads", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/image`;
  await Deno.writeFile(path, randomBytes(4 * MiB));
  await runOk(systemProcesses, ["sync", path]);
  assert.ok(await cached(path) > 0);
  let afterDrop = -1;
  const processes = {
    ...systemProcesses,
    run: async (...call: Parameters<typeof systemProcesses.run>) => {
      const done = await systemProcesses.run(...call);
      afterDrop = await cached(path);
      return done;
    },
  };
  await readBack({ processes }, path, { ...options(), dropCache: true });
  assert.equal(afterDrop, 0);
});

Deno.test("readBack of a file that is gone is an error with the reason, dropped or not", async () => {
  for (
    const [dropCache, expected] of [
      [true, { code: "process.failed", message: /nonexistent.*No such file/ }],
      [false, {
        code: "copy.failed",
        message: /^Read of "\/nonexistent\/image" failed: ENOENT/,
      }],
    ] as const
  ) {
    await assert.rejects(
      readBack(system, "/nonexistent/image", { ...options(), dropCache }),
      expected,
    );
  }
});

Deno.test("readBack ends at once when it is asked to", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/image`;
  await Deno.writeTextFile(path, "");
  await Deno.truncate(path, 1024 ** 4);
  const reason = new Error("stop");
  const stop = new AbortController();
  const reading = readBack(system, path, {
    dropCache: false,
    signal: stop.signal,
    onProgress: () => stop.abort(reason),
  });
  await assert.rejects(reading, reason);
  await assert.rejects(readBack(system, path, { ...options(), signal: stop.signal }), reason);
});

Deno.test("ReadingBack reads what is durable of a file that grows, and no more of it", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/image`;
  const bytes = randomBytes(21 * MiB + 5);
  // What is not durable yet holds other bytes than in the end.
  await Deno.writeFile(path, bytes.subarray(0, 12 * MiB));
  await Deno.writeFile(path, new Uint8Array(8 * MiB), { append: true });
  using reading = new ReadingBack(system, path, options());
  reading.durable(5 * MiB);
  reading.durable(12 * MiB);
  {
    using file = await Deno.open(path, { write: true });
    await file.seek(12 * MiB, Deno.SeekMode.Start);
    for (let at = 12 * MiB; at < bytes.length;) at += await file.write(bytes.subarray(at));
  }
  const { size, sha256: found } = await reading.complete();
  assert.deepEqual([size, found], [bytes.length, sha256(bytes)]);
});

Deno.test("ReadingBack keeps an error for the one who asks", async () => {
  await using folder = await temporaryFolder();
  using lost = new ReadingBack(system, `${folder.path}/gone`, options());
  lost.durable(4 * MiB);
  await assert.rejects(lost.complete(), { message: /ENOENT/ });
});

function options() {
  return { dropCache: false, signal: new AbortController().signal };
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Pages of a file in this machine's cache. */
async function cached(path: string): Promise<number> {
  const argv = ["fincore", "--noheadings", "--output=PAGES", path] as const;
  return Number((await runOk(systemProcesses, argv)).stdout.trim());
}
