import assert from "node:assert/strict";
import { VmbError } from "../../../core/error.ts";
import { systemClock } from "../../../core/sys/clock.ts";
import { runOk, systemProcesses } from "../../../core/sys/process.ts";
import { startNbdkit, temporaryFolder } from "../nbd/servers.ts";
import { copyFrom } from "./copying.ts";

const notRoot = Deno.uid() !== 0;

/** A disk whose every byte is data, without a file behind it. */
const noise = (size: string) => ["--filter=noextents", "pattern", `size=${size}`] as const;

Deno.test("copyDisk rejects with the signal's reason, before and in the middle", async () => {
  const reason = new Error("stop");
  for (const when of ["before", "first progress", "limit"] as const) {
    // One for each case: nbdkit may end of a client that left in the middle of an answer.
    await using server = await startNbdkit(...noise("64M"));
    await using folder = await temporaryFolder();
    const stop = new AbortController();
    if (when === "before") stop.abort(reason);
    const copying = copyFrom(server, folder.path, {
      signal: stop.signal,
      onProgress: () => when === "first progress" && stop.abort(reason),
      limit(bytes) {
        if (when === "limit" && bytes > 0) stop.abort(reason);
        return Promise.resolve();
      },
    });
    await assert.rejects(copying, reason, when);
  }
});

const stopped = "copyDisk leaves no thread and no connection behind when it is stopped";

Deno.test(stopped, async () => {
  // Threads are counted in a process of their own: beside this one other tests have theirs.
  if (!Deno.env.has("VMB_TEST_ALONE")) {
    const file = new URL(import.meta.url).pathname;
    await runOk(
      systemProcesses,
      [Deno.execPath(), "test", "--no-check", "--allow-all", "--filter", stopped, file],
      { env: { VMB_TEST_ALONE: "1" }, timeoutMs: 120_000 },
    );
    return;
  }
  await using server = await startNbdkit("--filter=delay", ...noise("64M"), "rdelay=100ms");
  const before = threads();
  for (let round = 0; round < 3; round++) {
    await using folder = await temporaryFolder();
    const stop = new AbortController();
    const copying = copyFrom(server, folder.path, {
      signal: stop.signal,
      limit: () => {
        stop.abort(new Error("stop"));
        return Promise.resolve();
      },
    });
    await assert.rejects(copying, /stop/);
  }
  assert.ok(
    await settles(() => Promise.resolve(threads() <= before + 1)),
    `${before} threads before`,
  );
});

Deno.test("copyDisk of an export that fails to read gives one error that says so", async () => {
  await using server = await startNbdkit(
    "--filter=error",
    ...noise("16M"),
    "error-pread-rate=1",
    "error=EIO",
  );
  await using folder = await temporaryFolder();
  await assert.rejects(copyFrom(server, folder.path), (error) => {
    assert.ok(error instanceof VmbError);
    assert.match(error.code, /^nbd\./);
    assert.match(error.message, /EIO|[Ii]nput\/output/);
    return true;
  });
});

Deno.test("copyDisk of a server that dies gives one error that says so", async () => {
  await using server = await startNbdkit(...noise("256M"));
  await using folder = await temporaryFolder();
  let killed: Promise<void> | undefined;
  const copying = copyFrom(server, folder.path, {
    onProgress: () => void (killed ??= server.kill()),
  });
  await assert.rejects(copying, (error) => {
    assert.ok(error instanceof VmbError);
    assert.match(error.code, /^nbd\.(disconnected|protocol)/);
    assert.ok(error.message.includes(server.socketPath), error.message);
    return true;
  });
  await killed;
});

Deno.test(
  "copyDisk to a share that is full says so, with what to do",
  { ignore: notRoot },
  async () => {
    await using server = await startNbdkit(...noise("64M"));
    await using folder = await temporaryFolder();
    await using share = await mounted(folder.path, ["-t", "tmpfs", "-o", "size=8M", "none"]);
    await assert.rejects(copyFrom(server, share.path), {
      code: "copy.failed",
      message: /^Write of ".*copy\.qcow2" failed: (ENOSPC|No space left)/,
      hint: "Make room on that file system",
    });
  },
);

Deno.test(
  "copyDisk to a share that hangs gives up after its patience",
  { ignore: notRoot },
  async () => {
    await using server = await startNbdkit(...noise("16M"));
    await using folder = await temporaryFolder();
    const file = `${folder.path}/file-system`;
    await Deno.writeFile(file, new Uint8Array());
    await Deno.truncate(file, 64 * 1024 ** 2);
    await runOk(systemProcesses, ["mkfs.ext4", "-q", "-F", file]);
    await using share = await mounted(folder.path, ["-o", "loop", file]);
    // A frozen file system blocks whoever writes, as a hard mount without its server does.
    const freezing = (word: string) => runOk(systemProcesses, ["fsfreeze", word, share.path]);
    const begun = Promise.withResolvers<void>();
    let frozen = false;
    let chunk = 0;
    try {
      const copying = copyFrom(server, share.path, {
        onProgress: () => begun.resolve(),
        async limit() {
          if (chunk++ !== 1) return;
          await begun.promise;
          await freezing("--freeze");
          frozen = true;
        },
        stallMs: 60_000,
        // A minute passes in a moment, but only for a share that hangs.
        clock: { ...systemClock, monotonic: () => frozen ? performance.now() * 1000 : 0 },
      });
      await assert.rejects(copying, {
        code: "share.stalled",
        message: /".*copy\.qcow2" made no progress for 60 s$/,
      });
    } finally {
      if (frozen) await freezing("--unfreeze");
    }
  },
);

function threads(): number {
  return [...Deno.readDirSync("/proc/self/task")].length;
}

/** Threads that were told to end need a moment; a bound keeps a leak from being waited for. */
async function settles(condition: () => Promise<boolean>): Promise<boolean> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (await condition()) return true;
    await runOk(systemProcesses, ["sleep", "0.02"]);
  }
  return false;
}

async function mounted(folder: string, options: readonly string[]) {
  const path = `${folder}/share`;
  await Deno.mkdir(path);
  await runOk(systemProcesses, ["mount", ...options, path]);
  return {
    path,
    [Symbol.asyncDispose]: async () => {
      // A thread that was ended in the middle of a write lets go of its file a moment later.
      assert.ok(
        await settles(async () => (await systemProcesses.run(["umount", path])).code === 0),
        `${path} stays busy`,
      );
    },
  };
}
