import assert from "node:assert/strict";
import { copyDisks, type CopyDisksOptions } from "../../../core/backup/copy_disks.ts";
import type { Capture } from "../../../core/capture/capture.ts";
import type { Event } from "../../../core/event.ts";
import { realSystem } from "../../../core/sys/system.ts";
import { startNbdkit, temporaryFolder } from "../nbd/servers.ts";

Deno.test("copyDisks copies all disks side by side, and answers in the order of the capture", async () => {
  await using big = await startNbdkit("--filter=noextents", "pattern", "size=8M");
  await using small = await startNbdkit("memory", "1M");
  await using folder = await temporaryFolder();
  const events: Event[] = [];
  const copies = await copyDisks(
    realSystem,
    captureOf([["vda", big.socketPath], ["vdb", small.socketPath], ["vdc", small.socketPath]]),
    options(folder.path, { report: (event) => events.push(event) }),
  );
  assert.deepEqual(copies.map(({ target, virtualSize }) => [target, virtualSize]), [
    ["vda", 8 * 2 ** 20],
    ["vdb", 2 ** 20],
    ["vdc", 2 ** 20],
  ]);
  for (const { target } of copies) {
    assert.ok(await realSystem.files.inspect(`${folder.path}/gw-1-${target}.qcow2`));
    assert.ok(await realSystem.files.inspect(`${folder.path}/gw-1-${target}.blockmap`));
  }
  assert.equal(events.filter(({ kind }) => kind === "info").length, 3);
});

Deno.test("copyDisks ends every copy when one fails, and throws that one's error", async () => {
  await using slow = await startNbdkit(
    "--filter=delay",
    "--filter=noextents",
    "pattern",
    "size=64M",
    "rdelay=50ms",
  );
  await using folder = await temporaryFolder();
  const copying = copyDisks(
    realSystem,
    captureOf([["vda", slow.socketPath], ["vdb", `${folder.path}/none`]]),
    options(folder.path),
  );
  await assert.rejects(copying, { code: "nbd.connect" });
  // Nothing writes into the folder any more: it can be removed.
  await Deno.remove(`${folder.path}`, { recursive: true });
  await Deno.mkdir(folder.path);
});

Deno.test("copyDisks ends early when the local disk runs full, or cannot be asked", async () => {
  await using slow = await startNbdkit(
    "--filter=delay",
    "--filter=noextents",
    "pattern",
    "size=64M",
    "rdelay=50ms",
  );
  for (
    const [space, expected] of [
      [() => Promise.resolve({ free: 5, total: 9 }), { code: "backup.local-space" }],
      [() => Promise.reject(new Error("EIO")), { message: "EIO" }],
    ] as const
  ) {
    await using folder = await temporaryFolder();
    const files = { ...realSystem.files, space };
    await assert.rejects(
      copyDisks(
        { ...realSystem, files },
        captureOf([["vda", slow.socketPath]]),
        options(folder.path),
      ),
      expected,
    );
  }
});

function options(folder: string, changes: Partial<CopyDisksOptions> = {}): CopyDisksOptions {
  return {
    vm: "gw-1",
    folder,
    compression: "none",
    bandwidthLimit: undefined,
    shareTimeoutSeconds: 30,
    parallelDisks: 2,
    scratchFolder: folder,
    leastLocalBytes: 10,
    report: () => {},
    signal: new AbortController().signal,
    ...changes,
  };
}

function captureOf(exports: readonly (readonly [target: string, socketPath: string])[]): Capture {
  return {
    method: "offline",
    consistency: "offline",
    instant: new Date(),
    frozenMs: undefined,
    exports: exports.map(([target, socketPath]) => ({ target, socketPath, exportName: "" })),
    assertWhole: () => Promise.resolve(),
    release: () => Promise.resolve(),
  };
}
