import { VmbError } from "../error.ts";
import type { System } from "../sys/system.ts";
import type { StoredBackup } from "./backups.ts";
import { readChecksums } from "./checksums.ts";
import { checksumsName, manifestName } from "./layout.ts";
import { readBack } from "./read_back.ts";

export interface Verification {
  readonly vm: string;
  readonly hypervisor: string;
  readonly id: string;
  readonly ok: boolean;
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
  { address, folder, manifest, problem }: StoredBackup,
  options: {
    readonly signal: AbortSignal;
    readonly onProgress?: (file: string, done: number, total: number) => void;
  },
): Promise<Verification> {
  const { files } = system;
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
        below: address.root,
        signal: options.signal,
        onProgress: (done) => options.onProgress?.(name, done, size),
      });
      if (read.sha256 !== sha256) {
        problems.push(`"${name}" was changed: its SHA-256 is ${read.sha256}`);
      }
      checked++;
      bytes += read.size;
    }
  } catch (error) {
    options.signal.throwIfAborted();
    problems.push(error instanceof Error ? error.message : String(error));
  }
  const { vm, hypervisor, id } = address;
  return { vm, hypervisor, id, ok: problems.length === 0, files: checked, bytes, problems };
}

/** The error for backups that did not stand their verification. */
export function verificationFailed(failed: readonly Verification[]): VmbError {
  const names = failed.map(({ vm, id }) => `${vm}/${id}`).join(", ");
  return new VmbError(
    `Verification failed: ${names}: ${failed.flatMap(({ problems }) => problems).join("; ")}`,
    {
      code: "repository.verify",
      exit: 6,
      hint: "Do not restore from it; make a new backup now, and look at the file server",
    },
  );
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
