import assert from "node:assert/strict";
import { VmbError } from "../../../core/error.ts";
import { findBackup, listBackups, readBackup, usable } from "../../../core/repository/backups.ts";
import { backupFolder, manifestName } from "../../../core/repository/layout.ts";
import { systemFiles } from "../../../core/sys/files.ts";
import { shareFiles } from "../../../core/sys/share_files.ts";
import { temporaryFolder } from "../nbd/servers.ts";
import { addressIn, publishBackup } from "./stored.ts";

/** A share where the clock of one hypervisor was set back between two backups. */
async function shareIn(folder: string): Promise<string> {
  const root = `${folder}/share`;
  const publish = (hypervisor: string, vm: string, id: string, instant: string) =>
    publishBackup(folder, addressIn(root, { hypervisor, vm, id }), { a: id }, { instant });
  await publish("hv1", "gw-1", "2026-11-21-120000", "2026-11-21T11:00:00.000Z");
  await publish("hv2", "gw-1", "2026-11-21-110000", "2026-11-21T13:00:00.000Z");
  await publish("hv1", "gw-1", "2026-11-22-000000", "2026-11-21T12:00:00.000Z");
  await publish("hv1", "db", "2026-01-01-000000", "2026-11-21T12:30:00.000Z");
  await Deno.mkdir(`${root}/hv1/gw-1/.2026-11-23-000000.partial`);
  await Deno.mkdir(`${root}/hv1/gw-1/notes`);
  await Deno.mkdir(`${root}/metadata/locks/2026-11-23-000000`, { recursive: true });
  await Deno.mkdir(`${root}/.snapshot/gw-1/2026-11-23-000000`, { recursive: true });
  await Deno.writeTextFile(`${root}/README`, "x");
  return root;
}

Deno.test("listBackups orders by the instant of the manifests, not by names", async () => {
  await using folder = await temporaryFolder();
  const root = await shareIn(folder.path);
  const list = async (filter = {}) =>
    (await listBackups(systemFiles, root, filter)).map(({ address, problem }) =>
      `${address.hypervisor}/${address.vm}/${address.id}${problem === undefined ? "" : "!"}`
    );
  assert.deepEqual(await list(), [
    "hv1/gw-1/2026-11-21-120000",
    "hv1/gw-1/2026-11-22-000000",
    "hv1/db/2026-01-01-000000",
    "hv2/gw-1/2026-11-21-110000",
  ]);
  assert.deepEqual(await list({ hypervisor: "hv2" }), ["hv2/gw-1/2026-11-21-110000"]);
  assert.deepEqual(await list({ vm: "db" }), ["hv1/db/2026-01-01-000000"]);
  assert.deepEqual(await list({ vm: "d" }), []);
  assert.deepEqual(await listBackups(systemFiles, `${folder.path}/missing`), []);
});

Deno.test("listBackups lists a backup whose manifest it cannot read, with the reason", async () => {
  await using folder = await temporaryFolder();
  const root = await shareIn(folder.path);
  const manifest = `${root}/hv1/gw-1/2026-11-22-000000/backup-metadata.json`;
  await Deno.writeTextFile(manifest, "{");
  await Deno.mkdir(`${root}/hv1/gw-1/2026-11-24-000000`);
  const [noManifest, , ...rest] = (await listBackups(systemFiles, root, { vm: "gw-1" }))
    .toSorted((a, b) => a.address.id < b.address.id ? 1 : -1);
  assert.match(noManifest?.problem ?? "", /No such file/);
  const bad = (await listBackups(systemFiles, root)).find(({ address }) =>
    address.id === "2026-11-22-000000"
  );
  assert.equal(bad?.problem, `Manifest "${manifest}" is no JSON`);
  assert.equal(bad?.manifest, undefined);
  assert.equal(rest.length, 2);
});

Deno.test("findBackup finds the latest one by its instant, and one by its id", async () => {
  await using folder = await temporaryFolder();
  const root = await shareIn(folder.path);
  const found = async (vm: string, id: string) =>
    (await findBackup(systemFiles, root, vm, id)).address;
  assert.equal((await found("gw-1", "latest")).hypervisor, "hv2");
  assert.equal((await found("gw-1", "2026-11-22-000000")).hypervisor, "hv1");
  // One that cannot be read is found by its id; an older one that cannot be read is in nobody's way.
  await Deno.mkdir(`${root}/hv1/gw-1/2026-10-24-000000`);
  assert.equal((await found("gw-1", "latest")).id, "2026-11-21-110000");
  assert.equal((await found("gw-1", "2026-10-24-000000")).hypervisor, "hv1");
});

Deno.test("findBackup takes no older backup for the latest in silence", async () => {
  await using folder = await temporaryFolder();
  const root = await shareIn(folder.path);
  const id = "2026-11-24-000000";
  const address = addressIn(root, { id });
  const [place, manifest] = [backupFolder(address), `${backupFolder(address)}/${manifestName}`];
  const table: readonly [string, () => Promise<unknown>, RegExp][] = [
    [
      "newer",
      () => edit(manifest, { schemaVersion: 2 }),
      /is of a newer vmb .*: Manifest .* version 2/,
    ],
    ["newer", () => edit(manifest, { needs: { list: ["x"] } }), /is of a newer vmb .* needs "x"/],
    ["damaged", () => Deno.writeTextFile(manifest, "{"), /is damaged: Manifest .* is no JSON/],
    ["damaged", () => Deno.writeTextFile(manifest, "[".repeat(1e6)), /is no JSON/],
    ["damaged", () => Deno.truncate(manifest, 6 * 1024 ** 3), /more than 2097152 bytes/],
    ["damaged", () => Deno.remove(manifest), /is damaged: No such file/],
    ["damaged", () => edit(manifest, { vm: { name: "db", uuid } }), /was copied or renamed/],
    ["damaged", async () => {
      await Deno.remove(manifest);
      await new Deno.Command("mkfifo", { args: [manifest] }).output();
    }, /is no regular file/],
    ["damaged", async () => {
      await Deno.remove(place, { recursive: true });
      await Deno.symlink(`${root}/hv1/gw-1/2026-11-21-120000`, place);
    }, /is a link/],
  ];
  const share = shareFiles(systemFiles, root, 10_000);
  for (const [state, damage, message] of table) {
    await publishBackup(folder.path, address, {}, { instant: "2026-11-24T00:00:00.000Z" });
    await damage();
    const refused = {
      code: "repository.latest",
      exit: 6,
      message,
      hint: /^Name the backup that you want, as 2026-11-21-110000 \(vmb hv list gw-1\); /,
    };
    await assert.rejects(findBackup(share, root, "gw-1", "latest"), refused, String(message));
    const found = await findBackup(share, root, "gw-1", id);
    assert.equal(found.state, state);
    assert.throws(() => usable(found, "list"), { exit: 6, message });
    await Deno.remove(place, { recursive: true });
  }
  const broken = {
    ...share,
    readText: (path: string) =>
      path.includes(id)
        ? Promise.reject(Object.assign(new Error("EIO"), { code: "EIO" }))
        : share.readText(path),
  };
  await publishBackup(folder.path, address, {}, { instant: "2026-11-24T00:00:00.000Z" });
  await assert.rejects(findBackup(broken, root, "gw-1", "latest"), {
    code: "repository.latest",
    message: /, 2026-11-24-000000, cannot be read now: EIO$/,
  });
});

Deno.test("findBackup goes by the name of a backup whose manifest it cannot read, to be on the safe side", async () => {
  await using folder = await temporaryFolder();
  const root = await shareIn(folder.path);
  // The latest one by its instant is hv2's of 11:00, whose clock was set back.
  await Deno.mkdir(`${root}/hv1/gw-1/2026-11-21-115959`);
  await assert.rejects(findBackup(systemFiles, root, "gw-1", "latest"), {
    code: "repository.latest",
  });
});

Deno.test("usable names the feature that a newer vmb wants of a reader", async () => {
  await using folder = await temporaryFolder();
  const address = addressIn(`${folder.path}/share`);
  const needs = { list: [], verify: ["zstd"], restore: ["zstd", "chain"], prune: [] };
  await publishBackup(folder.path, address, {}, { needs });
  const backup = await readBackup(systemFiles, address);
  assert.equal(usable(backup, "verify"), backup);
  assert.throws(() => usable(backup, "restore"), {
    code: "repository.newer",
    exit: 6,
    message:
      'Backup 2026-11-21-120000 of "gw-1" needs "chain" of whoever is to restore it, which this vmb lacks',
    hint: "It is not damaged: upgrade vmb on this machine",
  });
});

Deno.test("findBackup tells what there is instead", async () => {
  await using folder = await temporaryFolder();
  const root = await shareIn(folder.path);
  const refusal = async (vm: string, id: string) => {
    try {
      await findBackup(systemFiles, root, vm, id);
    } catch (error) {
      assert.ok(error instanceof VmbError);
      assert.deepEqual([error.code, error.exit], ["repository.no-backup", 10]);
      return error.hint;
    }
    throw new Error("it was found");
  };
  assert.equal(await refusal("gw-2", "latest"), 'Did you mean "gw-1"?');
  assert.equal(await refusal("something-else", "latest"), "List them with: vmb hv list");
  assert.match(
    await refusal("gw-1", "2020-01-01-000000") ?? "",
    /The last one is 2026-11-21-110000/,
  );
});

const uuid = "11111111-2222-4333-8444-555555555555";

async function edit(path: string, changes: Record<string, unknown>): Promise<void> {
  const manifest = JSON.parse(await Deno.readTextFile(path));
  await Deno.writeTextFile(path, JSON.stringify({ ...manifest, ...changes }));
}
