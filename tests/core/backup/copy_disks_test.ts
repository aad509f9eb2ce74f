import assert from "node:assert/strict";
import { copyDisks, type CopyDisksOptions } from "../../../core/backup/copy_disks.ts";
import { CaptureConnections } from "../../../core/capture/connections.ts";
import type { Event } from "../../../core/event.ts";
import { realSystem } from "../../../core/sys/system.ts";
import { type Server, startNbdkit, temporaryFolder } from "../nbd/servers.ts";

Deno.test("copyDisks copies all disks side by side, and answers in the order of the capture", async () => {
  await using big = await startNbdkit("--filter=noextents", "pattern", "size=8M");
  await using small = await startNbdkit("memory", "1M");
  await using folder = await temporaryFolder();
  const events: Event[] = [];
  using capture = await captured([["vda", big], ["vdb", small], ["vdc", small]]);
  const copies = await copyDisks(
    realSystem,
    capture,
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
  await using bad = await startNbdkit(
    ...["--filter=error", "--filter=noextents", "pattern", "size=1M"],
    ...["error-pread-rate=1", "error=EIO"],
  );
  await using folder = await temporaryFolder();
  using capture = await captured([["vda", slow], ["vdb", bad]]);
  await assert.rejects(copyDisks(realSystem, capture, options(folder.path)), {
    code: "nbd.remote",
  });
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
    using capture = await captured([["vda", slow]]);
    await assert.rejects(
      copyDisks({ ...realSystem, files }, capture, options(folder.path)),
      expected,
    );
  }
});

function options(folder: string, changes: Partial<CopyDisksOptions> = {}): CopyDisksOptions {
  return {
    vm: "gw-1",
    folder,
    compression: "none",
    seed: "0123456789abcdef",
    checksum: false,
    onDurable: () => {},
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

/** Disks of a capture, each from a server of its own. */
async function captured(disks: readonly (readonly [target: string, server: Server])[]) {
  const connections = new CaptureConnections(realSystem.network);
  return {
    disks: await connections.open(
      disks.map(([target, { socketPath }]) => ({ target, socketPath, exportName: "" })),
    ),
    [Symbol.dispose]: () => connections.close(),
  };
}
