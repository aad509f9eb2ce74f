import { createHash } from "node:crypto";
import { VmbError } from "../error.ts";
import { withCapturedDisks } from "../libvirt/captured_disks.ts";
import type { StoredBackup } from "./backups.ts";
import type { Manifest, ManifestFile } from "./manifest.ts";
import type { Files } from "../sys/files.ts";

/** The small files of a backup that a copy needs, as the manifest says they are. */
export interface BackupFiles {
  /** The definition, with every disk that the backup has. */
  readonly xml: string;
  readonly nvram: { readonly name: string; readonly content: Uint8Array } | undefined;
  readonly tpm: Uint8Array | undefined;
}

/**
 * Looks whether every file of a backup is there with its size, and reads the small ones against their
 * checksums.
 *
 * @throws {VmbError} `proof.backup` that names the file
 */
export async function readBackupFiles(
  share: Files,
  { folder, manifest }: Pick<StoredBackup, "folder"> & { readonly manifest: Manifest },
): Promise<BackupFiles> {
  for (const { name, size } of manifest.files) {
    const info = await share.inspect(`${folder}/${name}`);
    if (info === undefined) throw damaged(name, "is missing");
    if (info.size !== size) throw damaged(name, `has ${info.size} bytes, not ${size}`);
  }
  const read = async (role: ManifestFile["role"]) => {
    const file = manifest.files.find((candidate) => candidate.role === role);
    if (file === undefined) return undefined;
    const content = await share.read(`${folder}/${file.name}`);
    if (createHash("sha256").update(content).digest("hex") !== file.sha256) {
      throw damaged(file.name, "was changed: its SHA-256 is not that of the manifest");
    }
    return { name: file.name, content };
  };
  const xml = await read("domain-xml");
  if (xml === undefined) throw damaged(`${manifest.vm.name}.xml`, "is not in the manifest");
  const live = await read("live-xml");
  // A disk that neither of the two has is for whoever defines a domain to refuse.
  const { xml: whole } = withCapturedDisks(
    decode(xml.content),
    live && decode(live.content),
    manifest.disks.map(({ target }) => target),
  );
  return {
    xml: whole,
    nvram: await read("nvram"),
    tpm: (await read("tpm"))?.content,
  };
}

function decode(content: Uint8Array): string {
  return new TextDecoder().decode(content);
}

function damaged(name: string, what: string): VmbError {
  return new VmbError(`File "${name}" of the backup ${what}`, {
    code: "proof.backup",
    hint: "Verify the whole backup: vmb hv verify; and make a new one",
  });
}
