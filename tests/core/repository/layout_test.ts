import assert from "node:assert/strict";
import {
  backupFolder,
  backupId,
  blockMapName,
  imageName,
  isBackupId,
  isPartialName,
  metadataFolder,
  partialFolder,
} from "../../../core/repository/layout.ts";
import { addressIn } from "./stored.ts";

Deno.test("layout: names on the share are the ones of the contract", () => {
  const address = addressIn("/mnt/backup", { vm: "a b" });
  assert.equal(backupFolder(address), "/mnt/backup/hv1/a b/2026-11-21-120000");
  assert.equal(partialFolder(address), "/mnt/backup/hv1/a b/.2026-11-21-120000.partial");
  assert.equal(metadataFolder("/mnt/backup"), "/mnt/backup/metadata");
  assert.equal(imageName("a b", "vda"), "a b-vda.qcow2");
  assert.equal(blockMapName("a b", "vda"), "a b-vda.blockmap");
});

Deno.test("backupId is the local time, and known again; a partial folder is none", () => {
  const id = backupId(new Date(2026, 0, 2, 3, 4, 5));
  assert.equal(id, "2026-01-02-030405");
  assert.ok(isBackupId(id));
  for (const name of [`.${id}.partial`, `${id}x`, `x${id}`, "2026-1-2-030405", "", "latest"]) {
    assert.ok(!isBackupId(name), name);
  }
  assert.ok(isPartialName(`.${id}.partial`));
  for (const name of [id, `${id}.partial`, `.${id}.partial.old`, "..partial"]) {
    assert.ok(!isPartialName(name), name);
  }
});
