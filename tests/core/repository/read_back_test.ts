import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash, randomBytes } from "node:crypto";
import { readBack } from "../../../core/repository/read_back.ts";
import { runOk, systemProcesses } from "../../../core/sys/process.ts";
import { temporaryFolder } from "../nbd/servers.ts";

const system = { processes: systemProcesses };
const MiB = 1024 ** 2;

Deno.test("readBack hashes a file of any size, as it is and as it was sent", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/image`;
  const sentHeader = new Uint8Array(randomBytes(65_536));
  for (const size of [0, 1, 65_535, 65_536, 65_537, MiB, MiB + 1, 3 * MiB + 5]) {
    const bytes = randomBytes(size);
    await Deno.writeFile(path, bytes);
    const plain = await readBack(system, path, options());
    assert.deepEqual(plain, { size, sha256: sha256(bytes), streamSha256: sha256(bytes) });
    if (size < sentHeader.length) continue;
    const sent = await readBack(system, path, { ...options(), sentHeader });
    assert.deepEqual(sent, {
      size,
      sha256: sha256(bytes),
      streamSha256: sha256(Buffer.concat([sentHeader, bytes.subarray(sentHeader.length)])),
    });
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
        message: /^Read of "\/nonexistent\/image" failed: No such file or directory/,
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
