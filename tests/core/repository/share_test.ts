import assert from "node:assert/strict";
import { mountOf } from "../../../core/repository/mount.ts";
import { initShare } from "../../../core/repository/init_share.ts";
import { readShareMarker } from "../../../core/repository/share_marker.ts";
import { probeShareWrite, shareFreeBytes, shareMount } from "../../../core/repository/share.ts";
import { systemFiles } from "../../../core/sys/files.ts";
import { type Argv, runOk, systemProcesses } from "../../../core/sys/process.ts";
import { realSystem } from "../../../core/sys/system.ts";
import { temporaryFolder } from "../nbd/servers.ts";

const notRoot = Deno.uid() !== 0;

Deno.test("shareMount takes a mount of an accepted type only", async () => {
  await using folder = await temporaryFolder();
  const type = mountOf(folder.path, await Deno.readTextFile("/proc/self/mountinfo"))?.type ?? "";
  const settings = { backupRoot: folder.path, shareTimeoutSeconds: 5, backupLocal: true };
  const mount = await shareMount(realSystem, { ...settings, backupFstypes: ["nfs4", type] });
  assert.deepEqual([mount.type, mount.readonly], [type, false]);
  await assert.rejects(shareMount(realSystem, { ...settings, backupFstypes: ["nfs", "nfs4"] }), {
    code: "share.not-mounted",
    exit: 6,
    message: new RegExp(`is on ${type} mounted at .*, not on a mount of type nfs or nfs4$`),
  });
});

/** A system whose mounts are those of a text; the files are this machine's. */
function withMounts(mountinfo: () => string, links: Readonly<Record<string, string>> = {}) {
  const files = {
    ...realSystem.files,
    readText: (path: string) =>
      path === "/proc/self/mountinfo"
        ? Promise.resolve(mountinfo())
        : realSystem.files.readText(path),
    realPath: (path: string) => Promise.resolve(links[path] ?? path),
  };
  return { ...realSystem, files };
}

const rootDisk = "21 1 8:1 / / rw - xfs /dev/sda1 rw\n22 21 8:2 / /var rw - xfs /dev/sda2 rw\n";

Deno.test("shareMount takes no folder for a share, whatever its type", async () => {
  const settings = { backupFstypes: ["nfs4", "xfs"], shareTimeoutSeconds: 5 };
  const said: unknown[] = [];
  const ask = (backupRoot: string, mountinfo: string, changes = {}) =>
    shareMount(withMounts(() => mountinfo), { ...settings, backupRoot, ...changes }, (event) => {
      said.push(event);
    });
  const refused = { code: "share.not-mounted", exit: 6 };
  const root = "/mnt/backup";
  await assert.rejects(ask(root, rootDisk), {
    ...refused,
    message: `Backup root "${root}" is a folder of this machine's own disk (/dev/sda1, xfs, ` +
      "mounted at /): the share is not mounted",
    hint: `Run: mount ${root}; who wants the backups on this disk sets BACKUP_LOCAL=yes in ` +
      "vm-backup.conf",
  });
  await assert.rejects(ask("/var/backup", rootDisk), {
    ...refused,
    message: /is a folder of another mount \(\/dev\/sda2, xfs, mounted at \/var\)/,
  });
  const nas = `${rootDisk}30 21 0:51 / /mnt/nas rw - nfs4 nas:/x rw\n`;
  await assert.rejects(ask("/mnt/nas/vmb", nas), { ...refused, hint: /vmb hv init-share/ });
  assert.deepEqual(said, []);

  const local = { backupLocal: true };
  assert.equal((await ask(root, rootDisk, local)).isLocal, true);
  assert.equal((await ask("/var/backup", rootDisk, local)).isLocal, true);
  assert.deepEqual(
    said,
    [
      ["/mnt/backup", "/dev/sda1, xfs, mounted at /"],
      ["/var/backup", "/dev/sda2, xfs, mounted at /var"],
    ].map(([path, where]) => ({
      kind: "info",
      text: `"${path}" is a folder of this machine (${where}), as BACKUP_LOCAL allows: what is ` +
        "backed up there is lost with the machine",
    })),
  );
  // The key allows a folder; a share that is there stays one, and another type stays refused.
  const mounted = `${rootDisk}30 21 0:51 / ${root} rw - nfs4 nas:/x rw\n`;
  assert.equal((await ask(root, mounted, local)).isLocal, false);
  await assert.rejects(ask(root, mounted, { ...local, backupFstypes: ["xfs"] }), refused);
  assert.equal(said.length, 2);
});

Deno.test("shareMount finds a share through symlinks, and one that mounts itself", async () => {
  const settings = { backupFstypes: ["nfs4", "xfs"], shareTimeoutSeconds: 5 };
  const nas = `${rootDisk}30 21 0:51 / /var/mnt/nas rw - nfs4 nas:/x rw\n`;
  const links = { "/mnt/backup": "/var/mnt/nas", "/mnt/gone": "/var/lost" };
  const at = (backupRoot: string) =>
    shareMount(withMounts(() => nas, links), { ...settings, backupRoot });
  assert.equal((await at("/mnt/backup")).source, "nas:/x");
  await assert.rejects(at("/mnt/gone"), { code: "share.not-mounted" });

  let looked = 0;
  const automount = `${rootDisk}30 21 0:50 / /mnt/auto rw - autofs systemd-1 rw\n`;
  const system = {
    ...withMounts(() => automount + (looked > 0 ? mountLine : "")),
    processes: {
      ...systemProcesses,
      run: (argv: Argv) => {
        looked++;
        return Promise.resolve({ argv, code: 0, stdout: "", stderr: "" });
      },
    },
  };
  const mountLine = "31 30 0:51 / /mnt/auto rw - nfs4 nas:/x rw\n";
  const mount = await shareMount(system, { ...settings, backupRoot: "/mnt/auto" });
  assert.deepEqual([mount.source, mount.isLocal, looked], ["nas:/x", false, 1]);
});

Deno.test("shareMount does not wait for a symlink on a share that hangs", async () => {
  const system = withMounts(() => rootDisk);
  const files = { ...system.files, realPath: () => new Promise<string>(() => {}) };
  const settings = { ...settingsOf("/mnt/link"), shareTimeoutSeconds: 0.05 };
  await assert.rejects(shareMount({ ...system, files }, settings), {
    code: "share.no-answer",
    exit: 6,
  });
});

Deno.test(
  "shareMount tells the share from another one, and from the disk below it",
  { ignore: notRoot },
  async () => {
    await using folder = await temporaryFolder();
    const point = `${folder.path}/share`;
    const images = [`${folder.path}/a.img`, `${folder.path}/b.img`];
    for (const image of images) {
      await runOk(systemProcesses, ["truncate", "--size=16M", image]);
      await runOk(systemProcesses, ["mkfs.ext4", "-q", "-F", image]);
    }
    const below = mountOf(folder.path, await Deno.readTextFile("/proc/self/mountinfo"))?.type;
    const settings = {
      ...settingsOf(point),
      backupFstypes: ["nfs4", "ext4", below ?? ""],
      backupShareId: undefined as string | undefined,
    };
    const mount = () => shareMount(realSystem, settings);
    const init = (site: string) => initShare(realSystem, settings, site);
    await Deno.mkdir(point);
    await assert.rejects(mount(), { code: "share.not-mounted" });
    await assert.rejects(init("lab"), { code: "share.not-mounted" });
    assert.deepEqual(await realSystem.files.list(point), []);

    await using ends = new AsyncDisposableStack();
    ends.defer(async () => {
      while ((await systemProcesses.run(["umount", point])).code === 0);
    });
    await runOk(systemProcesses, ["mount", "-o", "loop", images[0] ?? "", point]);
    assert.equal((await mount()).isLocal, false);
    const { id, isNew, site } = await init("lab");
    assert.deepEqual([isNew, site], [true, "lab"]);
    assert.deepEqual(await init("another"), { id, isNew: false, site: "lab" });
    settings.backupShareId = id;
    assert.equal((await mount()).type, "ext4");

    // An empty new disk, mounted over the share: seen at once.
    await runOk(systemProcesses, ["mount", "-o", "loop", images[1] ?? "", point]);
    await assert.rejects(mount(), {
      code: "share.other",
      exit: 6,
      message: `What is mounted on "${point}" has no marker of a share: BACKUP_SHARE_ID names ` +
        `the share ${id}`,
    });
    settings.backupShareId = undefined;
    const other = await init("\x1b[2Jevil");
    settings.backupShareId = id;
    await assert.rejects(mount(), (error: Error) => {
      assert.ok(error.message.includes(`is the share ${other.id} of site "\\u001b[2Jevil"`));
      return true;
    });
    await assert.rejects(init("lab"), { code: "share.other" });
    // Known by its id, a folder of a mount is a share too; a mount of its own is one anyhow.
    settings.backupRoot = `${point}/folder`;
    await Deno.mkdir(settings.backupRoot);
    settings.backupShareId = undefined;
    await assert.rejects(mount(), { code: "share.not-mounted" });
    settings.backupShareId = (await init("lab")).id;
    assert.equal((await mount()).isLocal, false);
    settings.backupRoot = point;

    for (const _ of images) await runOk(systemProcesses, ["umount", point]);
    settings.backupShareId = id;
    await assert.rejects(mount(), { code: "share.not-mounted" });
    // A bind mount of the disk that the folder lies on is nothing but that disk.
    await Deno.mkdir(`${folder.path}/data`);
    await runOk(systemProcesses, ["mount", "--bind", `${folder.path}/data`, point]);
    settings.backupShareId = undefined;
    await assert.rejects(mount(), { code: "share.not-mounted" });
    assert.deepEqual(await realSystem.files.list(`${folder.path}/data`), []);
  },
);

Deno.test("readShareMarker reads a small file of its own only", async () => {
  await using folder = await temporaryFolder();
  const settings = settingsOf(folder.path);
  const read = () => readShareMarker(realSystem, settings);
  const path = `${folder.path}/metadata/share.json`;
  assert.equal(await read(), undefined);
  await Deno.mkdir(`${folder.path}/metadata`);
  const id = "0123456789abcdef0123456789abcdef";
  await Deno.writeTextFile(`${folder.path}/elsewhere`, JSON.stringify({ id, site: "x" }));
  const refused = { code: "share.marker", exit: 6 };
  const made: readonly (() => Promise<unknown>)[] = [
    () => Deno.symlink(`${folder.path}/elsewhere`, path),
    () => Deno.mkdir(path),
    () => runOk(systemProcesses, ["mkfifo", path]),
    () => runOk(systemProcesses, ["truncate", "--size=6G", path]),
    () => Deno.writeTextFile(path, "["),
    () => Deno.writeTextFile(path, "null"),
    () => Deno.writeTextFile(path, "{}"),
    () => Deno.writeTextFile(path, JSON.stringify({ id: "../x", site: "x" })),
    () => Deno.writeTextFile(path, JSON.stringify({ id, site: 7 })),
  ];
  for (const make of made) {
    await make();
    await assert.rejects(read(), refused, String(make));
    await Deno.remove(path, { recursive: true });
  }
  await Deno.writeTextFile(path, JSON.stringify({ id, site: "x", more: [] }));
  assert.deepEqual(await read(), { id, site: "x" });
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
