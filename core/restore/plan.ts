import { describeDomain } from "../libvirt/domain_xml.ts";
import { nvramFolder, tpmStateFolder } from "../libvirt/tpm_state.ts";
import { type BackupFiles } from "../repository/backup_files.ts";
import type { StoredBackup } from "../repository/backups.ts";
import {
  imageOf,
  type Manifest,
  type ManifestDisk,
  type ManifestOtherData,
} from "../repository/manifest.ts";
import type { System } from "../sys/system.ts";
import { readForeignDomain } from "./definition/foreign_domain.ts";
import { assertNames, isFileName } from "./definition/names.ts";
import { assertOwnVariables } from "./definition/variable_store.ts";
import type { HostFacts, KnownDomain } from "./host_facts.ts";
import { isolatedNetworkName } from "./isolated_network.ts";
import { planDefinition } from "./plan_definition.ts";
import type { RestoreStart } from "./restore_image.ts";
import type { RestoreNetwork, RestoreRequest } from "./request.ts";
import type { RewrittenNetwork } from "./rewrite.ts";

/** A disk, and where it goes. */
export interface PlannedDisk extends Omit<RestoreStart, "target"> {
  /** The guest's name of it. */
  readonly disk: string;
  readonly path: string;
  readonly format: "qcow2" | "raw";
  /** Bytes that it will occupy, at most. */
  readonly bytes: number;
}

/** What a restore does, before any of it is done. Plain data. */
export interface RestorePlan {
  /** The VM that is lost, one beside it, or one that takes the place of what is there. */
  readonly mode: "recreate" | "clone" | "replace";
  readonly vm: string;
  readonly id: string;
  readonly hypervisor: string;
  readonly folder: string;
  readonly instant: string;
  readonly name: string;
  readonly uuid: string;
  readonly imageDir: string;
  readonly disks: readonly PlannedDisk[];
  /** Paths of the UEFI variable store and of the TPM's state. */
  readonly nvram: string | undefined;
  readonly tpm: string | undefined;
  readonly replaces: { readonly name: string; readonly uuid: string } | undefined;
  /** What lies where a file goes, and belongs to the VM that is replaced. */
  readonly setAside: readonly { readonly from: string; readonly to: string }[];
  /** Where the definition of the replaced VM is kept. */
  readonly previousXml: string | undefined;
  readonly network: RestoreNetwork;
  readonly autostart: boolean;
  readonly start: boolean;
  /** The VM starts on overlays over the backup, which are filled while it runs. */
  readonly fillsLater: boolean;
  /** Removable drives whose medium is not taken. */
  readonly emptied: readonly string[];
  /** What the VM had, and will not have, or has otherwise; in the words of its definition. */
  readonly leftOut: readonly string[];
  /** What of this hypervisor the definition would use, for which someone has to answer. */
  readonly hostTies: readonly string[];
  readonly trustDefinition: boolean;
  /** What the VM used beside its disks, and the name of each file of it that the backup keeps. */
  readonly otherData: readonly ManifestOtherData[];
  readonly originalXml: string;
  readonly xml: string;
}

export interface PlanOptions {
  readonly system: Pick<System, "files" | "host">;
  readonly backup: StoredBackup & { readonly manifest: Manifest };
  readonly files: BackupFiles;
  readonly facts: HostFacts;
  readonly request: RestoreRequest;
  readonly imageDir: string;
  readonly libvirtUri: string;
  /** Ends the names of what is set aside. */
  readonly suffix: string;
}

/** Plans a restore; whether it can be done is for `restoreChecks` to say. */
export async function planRestore(options: PlanOptions): Promise<RestorePlan> {
  const { system, backup, files, facts, request, libvirtUri } = options;
  const { manifest, folder, address } = backup;
  assertNames(manifest);
  if (files.nvram !== undefined) assertOwnVariables(files.nvram.name, files.nvram.content);
  readForeignDomain(files.xml);
  const original = describeDomain(files.xml);
  const name = request.name ?? manifest.vm.name;
  const present = replacedDomain(facts, request, manifest);
  const isClone = request.name !== undefined;
  const uuid = isClone ? crypto.randomUUID() : manifest.vm.uuid;
  const replaced = request.replace ? present : undefined;
  const imageDir = request.imageDir ?? options.imageDir;
  const disks = manifest.disks.map((disk) =>
    planDisk(disk, { manifest, folder, name, imageDir, request, replaced })
  );
  const nvram = original.nvram === undefined || files.nvram === undefined
    ? undefined
    : await nvramPath(options, original.nvram, { isClone, name, imageDir, replaced });
  const tpmSource = isClone ? undefined : replacedSource(original, replaced);
  const tpm = original.tpm?.backend !== "emulator" || files.tpm === undefined
    ? undefined
    : tpmSource ?? tpmStateFolder(system.host, libvirtUri, uuid);
  const definition = await planDefinition({
    ...{ system, facts, request, xml: files.xml, replaced },
    imageFolders: [imageDir, options.imageDir],
    today: facts.domains.find((domain) => domain.uuid === manifest.vm.uuid),
    rewrite: {
      ...{ name, uuid, nvram, tpmSource },
      newMacs: isClone,
      disks: new Map(disks.map(({ disk, path, format }) => [disk, { path, format }])),
      network: rewrittenNetwork(request.network),
    },
  });
  const before = (path: string) => `${path}.before-${options.suffix}`;
  const mine = replaced === undefined ? [] : ownPaths(system, libvirtUri, replaced);
  const setAside: { from: string; to: string }[] = [];
  for (const from of [...disks.map(({ path }) => path), nvram, tpm]) {
    if (from === undefined || !mine.includes(from)) continue;
    if (await system.files.inspect(from)) setAside.push({ from, to: before(from) });
  }
  return {
    mode: isClone ? "clone" : replaced === undefined ? "recreate" : "replace",
    vm: address.vm,
    id: address.id,
    hypervisor: address.hypervisor,
    folder,
    instant: manifest.instant,
    ...{ name, uuid, imageDir, disks, nvram, tpm, setAside },
    replaces: replaced && { name: replaced.name, uuid: replaced.uuid },
    previousXml: replaced && `${imageDir}/${replaced.name}.xml.before-${options.suffix}`,
    network: request.network,
    // Two of one VM must not both come up by themselves.
    autostart: manifest.autostart && !isClone,
    start: request.start || request.instant,
    fillsLater: request.instant,
    trustDefinition: request.trustDefinition,
    otherData: manifest.otherData ?? [],
    originalXml: files.xml,
    ...definition,
  };
}

/** The VM that has the name or the UUID of the one to be restored. */
export function replacedDomain(
  { domains }: HostFacts,
  { name }: Pick<RestoreRequest, "name">,
  { vm }: Pick<Manifest, "vm">,
): KnownDomain | undefined {
  if (name !== undefined) return domains.find((domain) => domain.name === name);
  return domains.find(({ uuid }) => uuid === vm.uuid) ??
    domains.find((domain) => domain.name === vm.name);
}

function planDisk(
  disk: ManifestDisk,
  { manifest, folder, name, imageDir, request, replaced }: {
    readonly manifest: Manifest;
    readonly folder: string;
    readonly name: string;
    readonly imageDir: string;
    readonly request: RestoreRequest;
    readonly replaced: KnownDomain | undefined;
  },
): PlannedDisk {
  const kept = disk.sourceFormat === "raw" ? "raw" : "qcow2";
  // Only a qcow2 can stand on another image.
  const format = request.instant ? "qcow2" : request.format === "keep" ? kept : request.format;
  const old = replaced?.description.disks.find(({ target }) => target === disk.target);
  const oldPath = request.imageDir === undefined && old?.type === "file" && old.format === format
    ? old.source
    : undefined;
  const isCopy = format === "qcow2" && disk.compression === "none";
  const image = imageOf(manifest, disk);
  return {
    disk: disk.target,
    image: `${folder}/${disk.file}`,
    size: image.size,
    sha256: image.sha256,
    virtualSize: disk.virtualSize,
    form: isCopy ? "copy" : format,
    path: oldPath ?? `${imageDir}/${name}-${disk.target}.${format}`,
    format,
    // What compressed data takes is known only when it is unpacked: at most what was read.
    bytes: isCopy ? image.size : disk.compression === "none" ? disk.storedBytes : disk.readBytes,
  };
}

/**
 * A VM finds its variables where they were, a clone has a file of its own beside them. The path is one of the
 * backup's XML, and we write there as root: it is taken only where variables and images lie, or when the VM
 * that is replaced has its own there.
 */
async function nvramPath(
  { system, libvirtUri }: Pick<PlanOptions, "system" | "libvirtUri">,
  original: string,
  { isClone, name, imageDir, replaced }: {
    readonly isClone: boolean;
    readonly name: string;
    readonly imageDir: string;
    readonly replaced: KnownDomain | undefined;
  },
): Promise<string> {
  if (!isClone && replaced?.description.nvram === original) return original;
  const extension = /\.\w{1,8}$/.exec(original)?.[0] ?? ".fd";
  const folder = original.slice(0, original.lastIndexOf("/"));
  const isOrdinary = [nvramFolder(system.host, libvirtUri), imageDir].includes(folder) &&
    await system.files.inspectTarget(folder) !== undefined;
  if (!isOrdinary) return `${imageDir}/${name}_VARS${extension}`;
  return isClone || !isFileName(original.slice(folder.length + 1))
    ? `${folder}/${name}_VARS${extension}`
    : original;
}

/** The state of a TPM lies where libvirt keeps it; elsewhere only when this host says so today. */
function replacedSource(
  original: ReturnType<typeof describeDomain>,
  replaced: KnownDomain | undefined,
): string | undefined {
  const source = original.tpm?.source;
  return source !== undefined && source === replaced?.description.tpm?.source ? source : undefined;
}

/** Paths of all that a domain alone works on. */
function ownPaths(
  { host }: Pick<System, "host">,
  libvirtUri: string,
  { uuid, description }: KnownDomain,
): readonly string[] {
  return [
    ...description.disks.filter(({ readonly, shareable }) => !readonly && !shareable)
      .map(({ source }) => source),
    description.nvram,
    description.tpm?.source ?? tpmStateFolder(host, libvirtUri, uuid),
  ].filter((path) => path !== undefined);
}

function rewrittenNetwork(network: RestoreNetwork): RewrittenNetwork {
  return network.kind === "isolated" ? { kind: "network", name: isolatedNetworkName } : network;
}
