import { closest } from "../config/closest.ts";
import { exitCodes, toVmbError, VmbError } from "../error.ts";
import { quoted } from "../format/quoted.ts";
import type { Files } from "../sys/files.ts";
import {
  type BackupAddress,
  backupFolder,
  isBackupId,
  manifestName,
  metadataFolder,
  timeOfBackupId,
} from "./layout.ts";
import { longestManifest, type Manifest, readManifest } from "./manifest.ts";
import { missingFeature, type Operation } from "./needs.ts";

/**
 * What the manifest of a backup says of it: it can be read, a newer vmb wrote it, it is not what was written, or
 * the share did not give it now.
 */
export type BackupState = "readable" | "newer" | "damaged" | "unreadable";

/** A published backup; one whose manifest is not `readable` has none, and says why. */
export interface StoredBackup {
  readonly address: BackupAddress;
  readonly folder: string;
  readonly state: BackupState;
  readonly manifest: Manifest | undefined;
  readonly problem: string | undefined;
}

/** A backup whose manifest could be read. */
export type ReadableBackup = StoredBackup & { readonly manifest: Manifest };

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
 * @throws {VmbError} `repository.no-backup` (exit 10); `repository.latest` (exit 6) where nobody can tell which one
 *   is the latest, or it cannot be read: an older one never takes its place in silence
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
  if (id === "latest") return latestOf(backups);
  const found = backups.find(({ address }) => address.id === id);
  if (found !== undefined) return found;
  throw new VmbError(`No backup ${quoted(id)} of "${vm}" in "${root}"`, {
    code: "repository.no-backup",
    exit: exitCodes.notFound,
    hint: `The last one is ${backups.at(-1)?.address.id}; list them with: vmb hv list ${vm}`,
  });
}

/**
 * The newest of a VM's backups, in the order of `listBackups`.
 *
 * @throws {VmbError} `repository.latest` when the newest one cannot be read, or when one that cannot be read may be it
 */
export function latestOf(backups: readonly StoredBackup[]): ReadableBackup {
  const newest = backups.findLast(isReadable);
  const doubtful = backups.findLast((backup) =>
    !isReadable(backup) &&
    (newest === undefined || inOrder(newest, backup) < 0 || backup.address.id > newest.address.id)
  );
  if (newest !== undefined && doubtful === undefined) return newest;
  const { address, state = "damaged", problem } = doubtful ?? {};
  throw new VmbError(
    `The newest backup of "${address?.vm}", ${address?.id}, ${stateWords[state]}: ${problem}`,
    {
      code: "repository.latest",
      exit: exitCodes.problems,
      hint: newest === undefined
        ? stateHints[state]
        : `Name the backup that you want, as ${newest.address.id} (vmb hv list ${address?.vm}); ` +
          stateHints[state],
    },
  );
}

export function isReadable(backup: StoredBackup): backup is ReadableBackup {
  return backup.manifest !== undefined;
}

const stateWords: Readonly<Record<BackupState, string>> = {
  readable: "can be read",
  newer: "is of a newer vmb than this one",
  damaged: "is damaged",
  unreadable: "cannot be read now",
};

const stateHints: Readonly<Record<BackupState, string>> = {
  readable: "",
  newer: "It is not damaged: upgrade vmb on this machine",
  damaged: "Look at the file server, and make a new backup now",
  unreadable: "Look at the share and at dmesg on this machine, and try again",
};

const refusals: Readonly<Record<BackupState, string>> = {
  readable: "repository.newer",
  newer: "repository.newer",
  damaged: "repository.manifest",
  unreadable: "repository.unreadable",
};

/**
 * The backup, if this vmb can do with it what is wanted.
 *
 * @throws {VmbError} `repository.newer`, `repository.manifest` or `repository.unreadable` (exit 6)
 */
export function usable(backup: StoredBackup, operation: Operation): ReadableBackup {
  const { address, state, problem } = backup;
  const name = `Backup ${address.id} of "${address.vm}"`;
  if (isReadable(backup)) {
    const feature = missingFeature(backup.manifest.needs, operation);
    if (feature === undefined) return backup;
    throw new VmbError(
      `${name} needs ${quoted(feature)} of whoever is to ${operation} it, which this vmb lacks`,
      { code: "repository.newer", exit: exitCodes.problems, hint: stateHints.newer },
    );
  }
  throw new VmbError(`${name} ${stateWords[state]}: ${problem}`, {
    code: refusals[state],
    exit: exitCodes.problems,
    hint: state === "damaged"
      ? "Take another backup (vmb hv list), or restore by hand, as docs/05-restore.md says"
      : stateHints[state],
  });
}

/** Whether `usable` refused a backup: others may be usable. */
export function isUnusable(error: unknown): error is VmbError {
  return error instanceof VmbError && Object.values(refusals).includes(error.code);
}

export async function readBackup(files: Files, address: BackupAddress): Promise<StoredBackup> {
  const folder = backupFolder(address);
  const path = `${folder}/${manifestName}`;
  try {
    const manifest = readManifest(await files.readText(path, { limit: longestManifest }), path);
    assertOwnPlace(manifest, address);
    return { address, folder, state: "readable", manifest, problem: undefined };
  } catch (thrown) {
    const state = stateOf(thrown);
    return { address, folder, state, manifest: undefined, problem: toVmbError(thrown).message };
  }
}

/** What was read and is wrong is damage; what could not be read may be there in a moment. */
function stateOf(thrown: unknown): BackupState {
  const { code } = toVmbError(thrown);
  if (code === "repository.newer") return "newer";
  const isDamage = code === "repository.manifest" || code.startsWith("files.") ||
    code === "system.ENOENT" || code === "system.ENOTDIR";
  return isDamage ? "damaged" : "unreadable";
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

/** By instant; a backup whose manifest cannot be read has the time of its name. */
function inOrder(a: StoredBackup, b: StoredBackup): number {
  return instantOf(a) - instantOf(b) || (a.address.id < b.address.id ? -1 : 1);
}

function instantOf({ manifest, address }: StoredBackup): number {
  return manifest === undefined ? timeOfBackupId(address.id) : Date.parse(manifest.instant);
}
