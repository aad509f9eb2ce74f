import assert from "node:assert/strict";
import type { Event } from "../../../core/event.ts";
import { lockForBackup } from "../../../core/repository/lock.ts";
import { systemFiles } from "../../../core/sys/files.ts";
import { temporaryFolder } from "../nbd/servers.ts";

const uuid = "11111111-2222-4333-8444-555555555555";
const system = { files: systemFiles };

Deno.test("lockForBackup keeps a second run out, and names the first one", async () => {
  await using folder = await temporaryFolder();
  const events: Event[] = [];
  const lock = await lockForBackup(system, folder.path, uuid, holder("one"), {
    report: (e) => events.push(e),
  });
  // Another VM waits too: one VM is backed up at a time.
  for (const other of [uuid, uuid.replaceAll("1", "9")]) {
    await assert.rejects(
      lockForBackup(system, folder.path, other, holder("two"), { report: () => {} }),
      {
        code: "repository.locked",
        exit: 11,
        message: 'A backup of "one" runs on hv1 (pid 7) since 2026-11-21T12:00:00.000Z',
      },
    );
  }
  await lock.release();
  await (await lockForBackup(system, folder.path, uuid, holder("two"), {
    report: (e) => events.push(e),
  }))
    .release();
  assert.deepEqual(events, []);
});

Deno.test("lockForBackup lets the site go when the VM is taken", async () => {
  await using folder = await temporaryFolder();
  const vmLock = await systemFiles.lock(await lockPath(folder.path, `vm-${uuid}`));
  await assert.rejects(
    lockForBackup(system, folder.path, uuid, holder("two"), { report: () => {} }),
    {
      code: "repository.locked",
      message: /^Another run holds the lock ".*vm-.*\.lock"$/,
    },
  );
  await vmLock?.release();
  await (await lockForBackup(system, folder.path, uuid, holder("two"), { report: () => {} }))
    .release();
});

Deno.test("lockForBackup lets as many run side by side as there are places, each VM once", async () => {
  await using folder = await temporaryFolder();
  const places = { places: 2, report: () => {} };
  const other = "0b4a7ad1-9b39-4d0c-a5b5-5d0d2d6a3f12";
  const third = "3e1a7ad1-9b39-4d0c-a5b5-5d0d2d6a3f11";
  const first = await lockForBackup(system, folder.path, uuid, holder("one"), places);
  await assert.rejects(lockForBackup(system, folder.path, uuid, holder("again"), places), {
    message: /A backup of "one" runs/,
  });
  const second = await lockForBackup(system, folder.path, other, holder("two"), places);
  await assert.rejects(lockForBackup(system, folder.path, third, holder("three"), places), {
    message: /A backup of "two" runs/,
  });
  await first.release();
  await (await lockForBackup(system, folder.path, third, holder("three"), places)).release();
  await second.release();
});

Deno.test("lockForBackup takes over from a run that was killed, and says so once", async () => {
  await using folder = await temporaryFolder();
  const modules = ["core/repository/lock.ts", "core/sys/files.ts"].map((path) =>
    JSON.stringify(new URL(`../../../${path}`, import.meta.url).href)
  );
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      `const { lockForBackup } = await import(${modules[0]});
       const { systemFiles } = await import(${modules[1]});
       await lockForBackup({ files: systemFiles }, ${JSON.stringify(folder.path)},
         "${uuid}", ${JSON.stringify(holder("one"))}, { report: () => {} });
       console.log("held");
       await Deno.stdin.readable.getReader().read();`,
    ],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  try {
    const reader = child.stdout.getReader();
    await reader.read();
    await reader.cancel();
    await assert.rejects(
      lockForBackup(system, folder.path, uuid, holder("two"), { report: () => {} }),
      {
        message: /A backup of "one" runs on hv1/,
      },
    );
  } finally {
    child.kill("SIGKILL");
    await child.stdin.close().catch(() => {});
    await child.status;
  }
  const events: Event[] = [];
  const lock = await lockForBackup(system, folder.path, uuid, holder("two"), {
    report: (e) => events.push(e),
  });
  assert.deepEqual(events, [{
    kind: "warning",
    text:
      'The run that backed up "one" on hv1 since 2026-11-21T12:00:00.000Z died; its lock is taken over',
    hint: "On hv1 run: vmb hv recover",
  }]);
  await lock.release();
});

Deno.test("lockForBackup does not mind what is in a lock file", async () => {
  for (const text of ["null", "{}", "7", "\0\0", "{", '{"vm":7}']) {
    await using folder = await temporaryFolder();
    await Deno.writeTextFile(await lockPath(folder.path, "site"), text);
    const events: Event[] = [];
    const lock = await lockForBackup(system, folder.path, uuid, holder("x"), {
      report: (e) => events.push(e),
    });
    assert.deepEqual(events, [], text);
    await lock.release();
  }
});

async function lockPath(root: string, name: string): Promise<string> {
  await Deno.mkdir(`${root}/metadata/locks`, { recursive: true });
  return `${root}/metadata/locks/${name}.lock`;
}

function holder(vm: string) {
  const since = "2026-11-21T12:00:00.000Z";
  return { hypervisor: "hv1", pid: 7, vm, run: `vmb-${vm}`, since, jobId: 4711 };
}

Deno.test("lockForBackup writes through no link that lies at the place of a lock or of its folder", async () => {
  await using folder = await temporaryFolder();
  const [root, target] = [`${folder.path}/share`, `${folder.path}/crontab`];
  const lock = () => lockForBackup(system, root, uuid, holder("one"), { report: () => {} });
  const plant: readonly ((locks: string) => Promise<unknown>)[] = [
    (locks) => Deno.symlink(target, `${locks}/site.lock`),
    (locks) => Deno.symlink(target, `${locks}/vm-${uuid}.lock`),
    (locks) => Deno.symlink(`${target}-missing`, `${locks}/site.lock`),
    (locks) => Deno.link(target, `${locks}/site.lock`),
    (locks) => new Deno.Command("mkfifo", { args: [`${locks}/vm-${uuid}.lock`] }).output(),
    async (locks) => {
      await Deno.remove(locks);
      await Deno.symlink(folder.path, locks);
    },
    async (locks) => {
      await Deno.remove(`${root}/metadata`, { recursive: true });
      await Deno.mkdir(`${folder.path}/locks`);
      await Deno.symlink(locks, `${root}/metadata`);
    },
  ];
  for (const [index, put] of plant.entries()) {
    await Deno.writeTextFile(target, "root's");
    const locks = `${root}/metadata/locks`;
    await Deno.mkdir(locks, { recursive: true });
    await put(locks);
    await assert.rejects(
      lock(),
      { code: /^files\.(link|hard-link|not-regular)$/ } as unknown as Error,
      String(index),
    );
    assert.equal(await Deno.readTextFile(target), "root's");
    assert.ok(!await systemFiles.inspect(`${target}-missing`));
    assert.ok(!await systemFiles.inspect(`${folder.path}/site.lock`));
    await Deno.remove(root, { recursive: true });
  }
});
