import type { Manifest } from "../../../core/repository/manifest.ts";
import { type BackupAddress, backupFolder } from "../../../core/repository/layout.ts";
import { beginPartial } from "../../../core/repository/partial.ts";
import { systemFiles } from "../../../core/sys/files.ts";
import { journalWith } from "../journal/records.ts";

/** A manifest as a backup of one file without disks would have it. */
export function manifestOf(address: BackupAddress, changes: Partial<Manifest> = {}): Manifest {
  return {
    schemaVersion: 1,
    needs: { list: [], verify: [], restore: [], prune: [] },
    id: address.id,
    vm: { name: address.vm, uuid: "11111111-2222-4333-8444-555555555555" },
    hypervisor: address.hypervisor,
    runId: `vmb-${address.id}-1`,
    versions: { vmb: "0.1.0", libvirt: "9.0.0", qemu: null },
    startedAt: "2026-11-21T12:00:00.000Z",
    instant: "2026-11-21T12:00:01.000Z",
    finishedAt: "2026-11-21T12:00:02.000Z",
    method: "quiesce",
    requestedMethod: "auto",
    level: "full",
    requestedLevel: "Full",
    consistency: "filesystem",
    frozenMs: 12,
    autostart: true,
    baculaJobId: null,
    disks: [],
    skippedDisks: [],
    files: [],
    bytesRead: 0,
    bytesWritten: 0,
    seconds: { copy: 0.5 },
    readBack: true,
    warnings: [],
    ...changes,
  };
}

export function addressIn(root: string, changes: Partial<BackupAddress> = {}): BackupAddress {
  return { root, hypervisor: "hv1", vm: "gw-1", id: "2026-11-21-120000", ...changes };
}

/** Publishes a backup with these small files, as a run would. */
export async function publishBackup(
  folder: string,
  address: BackupAddress,
  contents: Readonly<Record<string, string>>,
  changes: Partial<Manifest> = {},
): Promise<string> {
  const run = `vmb-${address.hypervisor}-${address.id}`;
  const journal = await journalWith(folder, [], { run });
  const partial = await beginPartial(systemFiles, journal, address);
  for (const [name, content] of Object.entries(contents)) {
    await partial.add(name, "config", content);
  }
  await partial.publish(manifestOf(address, { files: [...partial.files()], ...changes }));
  await journal.end();
  return backupFolder(address);
}
