import assert from "node:assert/strict";
import { mountOf } from "../../../core/repository/mount.ts";
import { probeShareWrite, shareFreeBytes, shareMount } from "../../../core/repository/share.ts";
import { systemFiles } from "../../../core/sys/files.ts";
import { type Argv, runOk, systemProcesses } from "../../../core/sys/process.ts";
import { realSystem } from "../../../core/sys/system.ts";
import { temporaryFolder } from "../nbd/servers.ts";

const notRoot = Deno.uid() !== 0;

Deno.test("shareMount takes a mount of an accepted type only", async () => {
  await using folder = await temporaryFolder();
  const type = mountOf(folder.path, await Deno.readTextFile("/proc/self/mountinfo"))?.type ?? "";
  const settings = { backupRoot: folder.path, shareTimeoutSeconds: 5 };
  const mount = await shareMount(realSystem, { ...settings, backupFstypes: ["nfs4", type] });
  assert.deepEqual([mount.type, mount.readonly], [type, false]);
  await assert.rejects(shareMount(realSystem, { ...settings, backupFstypes: ["nfs", "nfs4"] }), {
    code: "share.not-mounted",
    exit: 6,
    message: new RegExp(`is on ${type} mounted at .*, not on a mount of type nfs or nfs4$`),
  });
});

Deno.test("shareFreeBytes is what df says", async () => {
  await using folder = await temporaryFolder();
  const free = await shareFreeBytes(realSystem, settingsOf(folder.path));
  const { stdout } = await runOk(systemProcesses, ["df", "--output=avail", "-B1", folder.path]);
  const df = Number(stdout.split("\n")[1]);
  // Other programs write to this file system too.
  assert.ok(Math.abs(free - df) < 2 ** 30, `${free} and ${df}`);
  await assert.rejects(shareFreeBytes(realSystem, settingsOf(`${folder.path}/missing`)), {
    code: "process.failed",
  });
});

Deno.test("probeShareWrite writes, and leaves nothing but the folder", async () => {
  await using folder = await temporaryFolder();
  await probeShareWrite(realSystem, settingsOf(folder.path));
  assert.deepEqual(await realSystem.files.list(folder.path), ["metadata"]);
  assert.deepEqual(await realSystem.files.list(`${folder.path}/metadata`), []);
});

Deno.test("probeShareWrite tells a share that is read-only", { ignore: notRoot }, async () => {
  await using folder = await temporaryFolder();
  await using share = await mounted(folder.path, ["-t", "tmpfs", "-o", "ro", "none"]);
  await assert.rejects(probeShareWrite(realSystem, settingsOf(share.path)), {
    code: "share.not-writable",
    exit: 6,
    message: /cannot be written: .*Read-only file system$/,
  });
});

Deno.test(
  "probeShareWrite tells a share that is full, and leaves no probe",
  { ignore: notRoot },
  async () => {
    await using folder = await temporaryFolder();
    await using share = await mounted(folder.path, ["-t", "tmpfs", "-o", "size=64k", "none"]);
    await systemProcesses.run(["dd", "if=/dev/zero", `of=${share.path}/fill`, "bs=4k"]);
    await Deno.mkdir(`${share.path}/metadata`);
    await assert.rejects(probeShareWrite(realSystem, settingsOf(share.path)), {
      code: "share.not-writable",
      message: /No space left on device$/,
    });
    assert.deepEqual(await realSystem.files.list(`${share.path}/metadata`), []);
  },
);

Deno.test("probeShareWrite and shareFreeBytes do not wait for a share that hangs", async () => {
  const processes = {
    ...systemProcesses,
    run: (argv: Argv, options = {}) =>
      systemProcesses.run(argv[0] === "stat" ? ["sleep", "30"] : argv, options),
  };
  const files = { ...systemFiles, write: () => new Promise<void>(() => {}) };
  await using folder = await temporaryFolder();
  const settings = { ...settingsOf(folder.path), shareTimeoutSeconds: 0.1 };
  for (const ask of [probeShareWrite, shareFreeBytes]) {
    await assert.rejects(ask({ ...realSystem, processes, files }, settings), {
      code: "share.no-answer",
      exit: 6,
      message: `Backup root "${folder.path}" gave no answer within 0.1 s`,
    });
  }
});

function settingsOf(backupRoot: string) {
  return { backupRoot, backupFstypes: ["nfs4"], shareTimeoutSeconds: 10 };
}

async function mounted(folder: string, options: readonly string[]) {
  const path = `${folder}/share`;
  await Deno.mkdir(path);
  await runOk(systemProcesses, ["mount", ...options, path]);
  return {
    path,
    [Symbol.asyncDispose]: async () => void await runOk(systemProcesses, ["umount", path]),
  };
}
