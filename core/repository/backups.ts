import { exitCodes, VmbError } from "../error.ts";
import { closest } from "../config/closest.ts";
import type { Files } from "../sys/files.ts";
import {
  type BackupAddress,
  backupFolder,
  isBackupId,
  manifestName,
  metadataFolder,
} from "./layout.ts";
import { type Manifest, readManifest } from "./manifest.ts";

/** A published backup; its manifest may be unreadable, and then says why. */
export interface StoredBackup {
  readonly address: BackupAddress;
  readonly folder: string;
  readonly manifest: Manifest | undefined;
  readonly problem: string | undefined;
}

export interface BackupFilter {
  readonly hypervisor?: string | undefined;
  readonly vm?: string | undefined;
}

/**
 * Lists published backups, oldest captured instant first. Folder names find them; their order comes from
 * the manifests.
 */
export async function listBackups(
  files: Files,
  root: string,
  { hypervisor, vm }: BackupFilter = {},
): Promise<readonly StoredBackup[]> {
  const found: StoredBackup[] = [];
  for (const host of await folders(files, root)) {
    if (`${root}/${host}` === metadataFolder(root)) continue;
    if (hypervisor !== undefined && host !== hypervisor) continue;
    for (const name of await folders(files, `${root}/${host}`)) {
      if (vm !== undefined && name !== vm) continue;
      for (const id of await files.list(`${root}/${host}/${name}`)) {
        if (!isBackupId(id)) continue;
        found.push(await readBackup(files, { root, hypervisor: host, vm: name, id }));
      }
    }
  }
  return found.sort(inOrder);
}

/**
 * Finds one backup of a VM, on whichever hypervisor it was made.
 *
 * @param id an id as `list` shows it, or `latest`
 * @throws {VmbError} `repository.no-backup` (exit 10)
 */
export async function findBackup(
  files: Files,
  root: string,
  vm: string,
  id: string,
): Promise<StoredBackup> {
  const backups = await listBackups(files, root, { vm });
  if (backups.length === 0) {
    const all = new Set((await listBackups(files, root)).map(({ address }) => address.vm));
    const near = closest(vm, [...all]);
    throw new VmbError(`No backup of "${vm}" in "${root}"`, {
      code: "repository.no-backup",
      exit: exitCodes.notFound,
      hint: near === undefined ? "List them with: vmb hv list" : `Did you mean "${near}"?`,
    });
  }
  const found = id === "latest"
    ? backups.findLast(({ manifest }) => manifest !== undefined)
    : backups.find(({ address }) => address.id === id);
  if (found !== undefined) return found;
  throw new VmbError(`No backup "${id}" of "${vm}" in "${root}"`, {
    code: "repository.no-backup",
    exit: exitCodes.notFound,
    hint: `The last one is ${backups.at(-1)?.address.id}; list them with: vmb hv list ${vm}`,
  });
}

export async function readBackup(files: Files, address: BackupAddress): Promise<StoredBackup> {
  const folder = backupFolder(address);
  const path = `${folder}/${manifestName}`;
  try {
    const manifest = readManifest(await files.readText(path), path);
    assertOwnPlace(manifest, address);
    return { address, folder, manifest, problem: undefined };
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    return { address, folder, manifest: undefined, problem };
  }
}

/** A folder that was copied or renamed would speak for another backup. */
function assertOwnPlace({ id, vm, hypervisor }: Manifest, address: BackupAddress): void {
  const own = `${hypervisor}/${vm.name}/${id}`;
  const here = `${address.hypervisor}/${address.vm}/${address.id}`;
  if (own === here) return;
  throw new VmbError(
    `Manifest in "${here}" is that of "${own}": the folder was copied or renamed`,
    {
      code: "repository.manifest",
    },
  );
}

async function folders(files: Files, path: string): Promise<readonly string[]> {
  const names: string[] = [];
  for (const name of await files.list(path)) {
    if (name.startsWith(".")) continue;
    if ((await files.inspect(`${path}/${name}`))?.kind === "directory") names.push(name);
  }
  return names;
}

/** Instants first; folders whose manifest cannot be read come before all others. */
function inOrder(a: StoredBackup, b: StoredBackup): number {
  const instant = ({ manifest }: StoredBackup) => manifest ? Date.parse(manifest.instant) : 0;
  return instant(a) - instant(b) || (a.address.id < b.address.id ? -1 : 1);
}
