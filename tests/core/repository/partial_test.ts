import assert from "node:assert/strict";
import { beginPartial, removeStalePartials } from "../../../core/repository/partial.ts";
import { readManifest } from "../../../core/repository/manifest.ts";
import { vmFolder } from "../../../core/repository/layout.ts";
import { systemFiles } from "../../../core/sys/files.ts";
import { systemProcesses } from "../../../core/sys/process.ts";
import { temporaryFolder } from "../nbd/servers.ts";
import { journalWith } from "../journal/records.ts";
import { addressIn, manifestOf, publishBackup } from "./stored.ts";

Deno.test("publish makes a folder that sha256sum -c covers, and that names are sorted in", async () => {
  await using folder = await temporaryFolder();
  const address = addressIn(`${folder.path}/share`, { vm: 'büro "1" %' });
  const published = await publishBackup(folder.path, address, {
    'büro "1" %.xml': "<domain/>",
    "configs/running config.txt": "hostname x",
    "backup.log": "",
  });
  assert.equal(published, `${folder.path}/share/hv1/büro "1" %/2026-11-21-120000`);
  const check = await systemProcesses.run([
    "sh",
    "-c",
    'cd "$1" && sha256sum --check --strict checksums.sha256 && find . -type f | wc -l',
    "sh",
    published,
  ]);
  assert.equal(check.code, 0, check.stderr);
  const lines = check.stdout.trim().split("\n");
  // Every file but the list itself is in the list.
  assert.equal(Number(lines.at(-1)), lines.length);
  const path = `${published}/backup-metadata.json`;
  const { files } = readManifest(await systemFiles.readText(path), path);
  assert.deepEqual(files.map(({ name, size }) => [name, size]), [
    ["backup.log", 0],
    ['büro "1" %.xml', 9],
    ["configs/running config.txt", 10],
  ]);
  for (const { name } of files) {
    assert.equal((await systemFiles.inspect(`${published}/${name}`))?.mode, 0o600);
  }
  assert.equal((await systemFiles.inspect(published))?.mode, 0o700);
});

Deno.test("beginPartial refuses an id that is taken, published or not, and touches nothing", async () => {
  await using folder = await temporaryFolder();
  const address = addressIn(`${folder.path}/share`);
  const journal = await journalWith(folder.path, []);
  const partial = await beginPartial(systemFiles, journal, address);
  assert.deepEqual(journal.outstanding().partials, [partial.folder]);
  await assert.rejects(beginPartial(systemFiles, journal, address), { code: "repository.exists" });
  await partial.publish(manifestOf(address));
  await assert.rejects(beginPartial(systemFiles, journal, address), { code: "repository.exists" });
  assert.deepEqual(journal.outstanding().partials, []);
  assert.deepEqual(await systemFiles.list(vmFolder(address)), [address.id]);
  await journal.end();
});

Deno.test("discard takes everything away, and tells the journal", async () => {
  await using folder = await temporaryFolder();
  const address = addressIn(`${folder.path}/share`);
  const journal = await journalWith(folder.path, []);
  const partial = await beginPartial(systemFiles, journal, address);
  await partial.add("configs/a", "config", "x");
  await partial.discard();
  assert.deepEqual(await systemFiles.list(vmFolder(address)), []);
  assert.deepEqual(journal.outstanding().partials, []);
  await journal.end();
});

Deno.test("publish takes a rename that the server did, and then denied, for done", async () => {
  await using folder = await temporaryFolder();
  const address = addressIn(`${folder.path}/share`);
  const journal = await journalWith(folder.path, []);
  const files = {
    ...systemFiles,
    async rename(from: string, to: string) {
      await systemFiles.rename(from, to);
      throw new Deno.errors.NotFound("No such file or directory (os error 2)");
    },
  };
  const partial = await beginPartial(files, journal, address);
  await partial.publish(manifestOf(address));
  assert.deepEqual(await systemFiles.list(vmFolder(address)), [address.id]);
  await journal.end();
});

Deno.test("publish that fails at any step leaves nothing listed, and the journal knows", async () => {
  for (const step of ["write", "rename", "syncFolder"] as const) {
    await using folder = await temporaryFolder();
    const address = addressIn(`${folder.path}/share`);
    const journal = await journalWith(folder.path, []);
    const partial = await beginPartial(
      { ...systemFiles, [step]: () => Promise.reject(new Error(`${step} failed`)) },
      journal,
      address,
    );
    await assert.rejects(partial.publish(manifestOf(address)), { message: `${step} failed` });
    assert.deepEqual(journal.outstanding().partials, [partial.folder]);
    assert.deepEqual(await systemFiles.list(vmFolder(address)), [`.${address.id}.partial`]);
    await journal.end();
  }
});

Deno.test("publish writes no manifest that could not be read again", async () => {
  await using folder = await temporaryFolder();
  const address = addressIn(`${folder.path}/share`);
  const journal = await journalWith(folder.path, []);
  const partial = await beginPartial(systemFiles, journal, address);
  await assert.rejects(partial.publish(manifestOf(address, { bytesRead: -1 })));
  assert.deepEqual(await systemFiles.list(partial.folder), []);
  await journal.end();
});

Deno.test("removeStalePartials removes folders of dead runs, and only those", async () => {
  await using folder = await temporaryFolder();
  const names = [
    ".2026-11-20-000000.partial",
    "2026-11-20-000000",
    ".2026-11-20-000000.partial.keep",
    ".trash",
    "2026-11-21-000000.partial",
  ];
  for (const name of names) {
    await Deno.mkdir(`${folder.path}/${name}`);
    await Deno.writeTextFile(`${folder.path}/${name}/file`, "x");
  }
  assert.deepEqual(await removeStalePartials(systemFiles, folder.path), [names[0]]);
  assert.deepEqual(await systemFiles.list(folder.path), names.slice(1).sort());
  assert.deepEqual(await removeStalePartials(systemFiles, `${folder.path}/missing`), []);
});
