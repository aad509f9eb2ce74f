import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { Growth, openPastCache, readAhead } from "../../../core/sys/past_cache.ts";
import { runOk, systemProcesses } from "../../../core/sys/process.ts";
import { temporaryFolder } from "../nbd/servers.ts";

const piece = 65_536;
const complete = () => new Growth(Number.POSITIVE_INFINITY);

Deno.test("readAhead reads a file in order, past the cache and through it", async () => {
  // On a disk: a file system that lives in memory has nothing but its cache.
  for (const folder of ["/var/tmp", "/dev/shm"]) {
    const path = await Deno.makeTempFile({ dir: folder, prefix: "vmb-past-" });
    try {
      for (const size of [0, 5, piece, 3 * piece, 7 * piece + 4096, 8 * piece + 1]) {
        const bytes = randomBytes(size);
        await Deno.writeFile(path, bytes);
        for (const past of [true, false]) {
          const source = await openPastCache(path, { past, growing: false });
          assert.deepEqual(await all(readAhead(source, piece, complete())), bytes);
        }
      }
    } finally {
      await Deno.remove(path);
    }
  }
});

Deno.test("openPastCache leaves nothing of what is read in the cache", async () => {
  const path = await Deno.makeTempFile({ dir: "/var/tmp", prefix: "vmb-past-" });
  try {
    await Deno.writeFile(path, randomBytes(4 * piece));
    await runOk(systemProcesses, ["sync", path]);
    await runOk(systemProcesses, ["dd", `if=${path}`, "iflag=nocache", "count=0", "status=none"]);
    const source = await openPastCache(path, { past: true, growing: true });
    await all(readAhead(source, piece, complete()));
    const argv = ["fincore", "--noheadings", "--output=PAGES", path] as const;
    assert.equal(Number((await runOk(systemProcesses, argv)).stdout), 0);
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("readAhead reads no byte beyond what has grown, and ends with the file", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/file`;
  const bytes = randomBytes(6 * piece);
  await Deno.writeFile(path, bytes);
  const source = await openPastCache(path, { past: false, growing: true });
  const asked: number[] = [];
  const growth = new Growth(2 * piece - 1);
  const pieces = readAhead(
    {
      close: () => source.close(),
      read(buffer, position) {
        asked.push(position / piece);
        return source.read(buffer, position);
      },
    },
    piece,
    growth,
  );
  await pieces.next();
  assert.deepEqual(asked, [0]);
  const second = pieces.next();
  growth.grow(3 * piece);
  // It never shrinks.
  growth.grow(piece);
  await second;
  assert.deepEqual(asked, [0, 1, 2]);
  const third = pieces.next();
  const fourth = pieces.next();
  growth.grow(Number.POSITIVE_INFINITY);
  await Promise.all([third, fourth]);
  assert.deepEqual([...(await pieces.next()).value ?? []], [
    ...bytes.subarray(4 * piece, 5 * piece),
  ]);
  await pieces.return(undefined);
});

Deno.test("openPastCache below a root follows no link and opens regular files only", async () => {
  await using folder = await temporaryFolder();
  await Deno.writeTextFile(`${folder.path}/secret`, "secret");
  await Deno.mkdir(`${folder.path}/share`);
  await Deno.symlink("../secret", `${folder.path}/share/link`);
  await runOk(systemProcesses, ["mkfifo", `${folder.path}/share/fifo`]);
  const options = { past: true, growing: false, below: `${folder.path}/share` };
  for (const [name, code] of [["link", "files.link"], ["fifo", "files.not-regular"]]) {
    await assert.rejects(openPastCache(`${folder.path}/share/${name}`, options), { code });
  }
});

async function all(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const bytes: number[][] = [];
  for await (const piece of pieces) bytes.push([...piece]);
  return Buffer.from(bytes.flat());
}
