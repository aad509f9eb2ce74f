import { exitCodes, VmbError } from "../error.ts";
import { quoted } from "../format/quoted.ts";
import { imageFault } from "../image/backup_image.ts";
import { headerBytes } from "../qcow2/header.ts";
import type { System } from "../sys/system.ts";
import type { StoredBackup } from "./backups.ts";
import { readChecksums } from "./checksums.ts";
import { checksumsName, manifestName } from "./layout.ts";
import { missingFeature } from "./needs.ts";
import { readBack } from "./read_back.ts";

export interface Verification {
  readonly vm: string;
  readonly hypervisor: string;
  readonly id: string;
  readonly ok: boolean;
  /** It is of a newer vmb, and cannot be judged by this one: that is no damage. */
  readonly newer: boolean;
  readonly files: number;
  readonly bytes: number;
  /** One sentence for each file that is missing, strange or changed. */
  readonly problems: readonly string[];
}

/**
 * Reads every file of a backup from the share, this machine's cache dropped, and compares it with the
 * checksums; and the checksums with the manifest and with what lies in the folder.
 */
export async function verifyBackup(
  system: Pick<System, "files" | "processes">,
  backup: StoredBackup,
  options: {
    readonly signal: AbortSignal;
    readonly onProgress?: (file: string, done: number, total: number) => void;
  },
): Promise<Verification> {
  const { files } = system;
  const { address: { vm, hypervisor, id }, folder, manifest, problem } = backup;
  const newer = newerThanThis(backup);
  if (newer !== undefined) {
    return { vm, hypervisor, id, ok: false, newer: true, files: 0, bytes: 0, problems: [newer] };
  }
  const problems: string[] = problem === undefined ? [] : [problem];
  let checked = 0;
  let bytes = 0;
  const checksumsPath = `${folder}/${checksumsName}`;
  try {
    const checksums = readChecksums(await files.readText(checksumsPath), checksumsPath);
    const listed = new Map(checksums.map(({ name, sha256 }) => [name, sha256]));
    for (const file of manifest?.files ?? []) {
      if (listed.get(file.name) === file.sha256) continue;
      problems.push(`"${file.name}": manifest and ${checksumsName} do not agree`);
    }
    if (!listed.has(manifestName)) problems.push(`"${manifestName}" has no checksum`);
    const present = await filesBelow(system, folder, "");
    for (const name of present) {
      if (name !== checksumsName && !listed.has(name)) problems.push(`"${name}" has no checksum`);
    }
    for (const { name, sha256 } of checksums) {
      if (!present.includes(name)) {
        problems.push(`"${name}" is missing`);
        continue;
      }
      const { kind, size } = await files.inspect(`${folder}/${name}`) ?? { kind: "gone", size: 0 };
      if (kind !== "file") {
        problems.push(`"${name}" is no regular file`);
        continue;
      }
      const read = await readBack(system, `${folder}/${name}`, {
        dropCache: true,
        below: backup.address.root,
        signal: options.signal,
        onProgress: (done) => options.onProgress?.(name, done, size),
      });
      if (read.sha256 !== sha256) {
        problems.push(`"${name}" was changed: its SHA-256 is ${read.sha256}`);
      }
      // Whoever can write to the share can write checksums too.
      const disk = manifest?.disks.find(({ file }) => file === name);
      const fault = disk &&
        imageFault(await files.readStart(`${folder}/${name}`, headerBytes), disk);
      if (fault !== undefined) problems.push(`"${name}" is no image of a backup: ${fault}`);
      checked++;
      bytes += read.size;
    }
  } catch (error) {
    options.signal.throwIfAborted();
    problems.push(error instanceof Error ? error.message : String(error));
  }
  const ok = problems.length === 0;
  return { vm, hypervisor, id, ok, newer: false, files: checked, bytes, problems };
}

function newerThanThis(backup: StoredBackup): string | undefined {
  if (backup.state === "newer") return backup.problem;
  const feature = backup.manifest && missingFeature(backup.manifest.needs, "verify");
  return feature && `It needs ${quoted(feature)}, which this vmb lacks`;
}

/** The error for backups that did not stand their verification. */
export function verificationFailed(verifications: readonly Verification[]): VmbError {
  const damaged = verifications.filter(({ newer }) => !newer);
  const failed = damaged.length > 0 ? damaged : verifications;
  const names = failed.map(({ vm, id }) => `${vm}/${id}`).join(", ");
  const problems = failed.flatMap(({ problems }) => problems).join("; ");
  return damaged.length > 0
    ? new VmbError(`Verification failed: ${names}: ${problems}`, {
      code: "repository.verify",
      exit: exitCodes.problems,
      hint: "Do not restore from it; make a new backup now, and look at the file server",
    })
    : new VmbError(`Not verified, as of a newer vmb: ${names}: ${problems}`, {
      code: "repository.newer",
      exit: exitCodes.problems,
      hint: "It is not damaged as far as this vmb can tell: upgrade vmb on this machine",
    });
}

async function filesBelow(
  system: Pick<System, "files">,
  folder: string,
  prefix: string,
): Promise<readonly string[]> {
  const names: string[] = [];
  for (const name of await system.files.list(`${folder}/${prefix}`)) {
    const info = await system.files.inspect(`${folder}/${prefix}${name}`);
    if (info?.kind === "directory") {
      names.push(...await filesBelow(system, folder, `${prefix}${name}/`));
    } else names.push(`${prefix}${name}`);
  }
  return names;
}
