import assert from "node:assert/strict";
import { assertBackupImage } from "../../../core/image/backup_image.ts";
import { readTpmArchive } from "../../../core/libvirt/tpm_archive.ts";
import { readBackupFiles } from "../../../core/repository/backup_files.ts";
import { findBackup, listBackups, usable } from "../../../core/repository/backups.ts";
import { imageOf, schemaVersion } from "../../../core/repository/manifest.ts";
import { verifyBackup } from "../../../core/repository/verify.ts";
import { restoreImage } from "../../../core/restore/restore_image.ts";
import { systemFiles } from "../../../core/sys/files.ts";
import { shareFiles } from "../../../core/sys/share_files.ts";
import { realSystem } from "../../../core/sys/system.ts";
import { temporaryFolder } from "../nbd/servers.ts";
import { sampleDisk, sampleTpm } from "./sample_share.ts";

const formats = new URL("../../formats", import.meta.url).pathname;
const { signal } = new AbortController();

for (let version = 1; version <= schemaVersion; version++) {
  Deno.test(`a share of format version ${version} is still listed, verified and restored`, async () => {
    await using folder = await temporaryFolder();
    const root = `${formats}/${version}`;
    const share = shareFiles(systemFiles, root, 60_000);
    const backups = await listBackups(share, root);
    assert.deepEqual(backups.map(({ address, state }) => [address.id, state]), [
      ["2026-11-25-120000", "readable"],
      ["2026-11-26-120000", "readable"],
    ]);
    assert.equal((await findBackup(share, root, "gw-1", "latest")).address.id, "2026-11-26-120000");
    const expected = new Uint8Array(sampleDisk.size);
    for (const [byte, at, length] of sampleDisk.writes) expected.fill(byte, at, at + length);
    for (const stored of backups) {
      const verified = await verifyBackup({ ...realSystem, files: share }, stored, { signal });
      assert.deepEqual([verified.problems, verified.files], [[], 7]);
      const { manifest, folder: place } = usable(stored, "restore");
      const { xml, tpm } = await readBackupFiles(share, { folder: place, manifest });
      assert.match(xml, /^<domain/);
      const [state] = readTpmArchive(tpm ?? new Uint8Array());
      assert.equal(new TextDecoder().decode(state?.content), sampleTpm);
      for (const disk of manifest.disks) {
        const image = `${place}/${disk.file}`;
        const { virtualSize } = disk;
        await assertBackupImage(share, { path: image, virtualSize });
        const target = `${folder.path}/${stored.address.id}.raw`;
        const { size, sha256 } = imageOf(manifest, disk);
        await restoreImage(realSystem, {
          ...{ image, size, sha256, target, form: "raw", virtualSize, below: root },
          ...{ stallMs: 60_000, signal, onProgress: () => {} },
        });
        assert.deepEqual(await Deno.readFile(target), expected);
      }
    }
  });
}

Deno.test("every format version has its frozen share", async () => {
  const versions = await systemFiles.list(formats);
  assert.deepEqual(versions, Array.from({ length: schemaVersion }, (_, index) => `${index + 1}`));
});
