import assert from "node:assert/strict";
import { VmbError } from "../../../core/error.ts";
import { findBackup, listBackups } from "../../../core/repository/backups.ts";
import { systemFiles } from "../../../core/sys/files.ts";
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
  // A backup that cannot be read is never "the latest"; it is found by its id.
  await Deno.mkdir(`${root}/hv1/gw-1/2026-11-24-000000`);
  assert.equal((await found("gw-1", "latest")).id, "2026-11-21-110000");
  assert.equal((await found("gw-1", "2026-11-24-000000")).hypervisor, "hv1");
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
