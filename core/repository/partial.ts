import { createHash } from "node:crypto";
import { VmbError } from "../error.ts";
import type { Journal } from "../journal/journal.ts";
import { isOutcomeUnknown } from "../sys/deadline.ts";
import type { Files } from "../sys/files.ts";
import type { Checksum } from "./checksums.ts";
import { writeChecksums } from "./checksums.ts";
import {
  type BackupAddress,
  backupFolder,
  checksumsName,
  isPartialName,
  manifestName,
  partialFolder,
  vmFolder,
} from "./layout.ts";
import { type Manifest, type ManifestFile, writeManifest } from "./manifest.ts";

/** A backup that is being written: a hidden folder beside the published ones. */
export interface PartialBackup {
  readonly folder: string;
  /** Writes a small file durably. */
  add(name: string, role: ManifestFile["role"], content: string | Uint8Array): Promise<void>;
  /** Notes a file that was written by other means, and is durable. */
  note(file: ManifestFile): void;
  /** Files so far, sorted by name. */
  files(): readonly ManifestFile[];
  /** Writes manifest and checksums, and gives the folder its final name; then the backup is listed. */
  publish(manifest: Manifest): Promise<string>;
  /** Takes everything away. */
  discard(): Promise<void>;
}

/**
 * Begins a backup's folder.
 *
 * @throws {VmbError} `repository.exists` when the id is taken
 */
export async function beginPartial(
  files: Files,
  journal: Journal,
  address: BackupAddress,
): Promise<PartialBackup> {
  const folder = partialFolder(address);
  const final = backupFolder(address);
  await files.makeFolder(vmFolder(address));
  if (await files.inspect(final) !== undefined || await files.inspect(folder) !== undefined) {
    throw new VmbError(`Backup "${final}" exists already`, {
      code: "repository.exists",
      hint: "Ids are times with seconds: try again",
    });
  }
  await journal.write({ step: "partial", path: folder });
  await files.makeFolder(folder, { mode: 0o700 });

  const noted = new Map<string, ManifestFile>();
  const sorted = () => [...noted.values()].sort((a, b) => a.name < b.name ? -1 : 1);
  return {
    folder,
    files: sorted,
    note: (file) => void noted.set(file.name, file),
    async add(name, role, content) {
      const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
      const path = `${folder}/${name}`;
      const slash = path.lastIndexOf("/");
      await files.makeFolder(path.slice(0, slash), { mode: 0o700 });
      await files.write(path, bytes);
      noted.set(name, { name, role, size: bytes.length, sha256: sha256(bytes) });
    },
    async publish(manifest) {
      const text = writeManifest(manifest);
      const checksums: readonly Checksum[] = [
        ...sorted(),
        { name: manifestName, sha256: sha256(new TextEncoder().encode(text)) },
      ];
      await files.write(`${folder}/${manifestName}`, text);
      await files.write(`${folder}/${checksumsName}`, writeChecksums(checksums));
      await files.syncFolder(folder);
      await renameSurely(files, folder, final);
      await files.syncFolder(vmFolder(address));
      await journal.write({ step: "partial-gone", path: folder });
      return final;
    },
    async discard() {
      await files.remove(folder);
      await journal.write({ step: "partial-gone", path: folder });
    },
  };
}

/** Removes partial folders that dead runs left; the caller holds the VM's lock, so that none is alive. */
export async function removeStalePartials(
  files: Files,
  folder: string,
): Promise<readonly string[]> {
  const stale = (await files.list(folder)).filter(isPartialName);
  for (const name of stale) await files.remove(`${folder}/${name}`);
  return stale;
}

/** NFS may send a rename twice, and answer the second time that the old name is gone. */
async function renameSurely(files: Files, from: string, to: string): Promise<void> {
  try {
    await files.rename(from, to);
  } catch (error) {
    // It may happen at any time from now on: what is there says nothing yet.
    if (isOutcomeUnknown(error)) throw error;
    const done = await files.inspect(to) !== undefined && await files.inspect(from) === undefined;
    if (!done) throw error;
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
