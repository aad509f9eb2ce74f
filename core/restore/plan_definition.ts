import type { XmlElement } from "@rgrove/parse-xml";
import { describeDomain, type DomainDisk } from "../libvirt/domain_xml.ts";
import { applyEdits, removal } from "../libvirt/xml_edit.ts";
import { attribute, child, children, parseDomain } from "../libvirt/xml_element.ts";
import type { System } from "../sys/system.ts";
import { hostTies } from "./definition/host_ties.ts";
import { leaveOut } from "./definition/leave_out.ts";
import { outsideNames } from "./definition/outside_names.ts";
import { cloneParts } from "./definition/restored_parts.ts";
import type { HostFacts, KnownDomain } from "./host_facts.ts";
import type { RestoreRequest } from "./request.ts";
import type { DomainRewrite } from "./rewrite.ts";
import { rewriteDomain } from "./rewrite_domain.ts";
import { boundCharacterDevices } from "./rewrite_character_devices.ts";

export interface DefinitionOptions {
  readonly system: Pick<System, "files">;
  readonly facts: HostFacts;
  readonly request: RestoreRequest;
  /** The backup's XML. */
  readonly xml: string;
  readonly rewrite: Omit<DomainRewrite, "otherDisks" | "emptyDrives" | "closeCharacterDevices">;
  /** Folders where images may lie that are no part of the backup. */
  readonly imageFolders: readonly string[];
  /** The VM whose backup it is, as this host defines it today. */
  readonly today: KnownDomain | undefined;
  readonly replaced: KnownDomain | undefined;
}

/** The definition of a restored VM, and what a person must know of it. */
export interface PlannedDefinition {
  readonly xml: string;
  /** Removable drives whose medium is not taken. */
  readonly emptied: readonly string[];
  /** What the VM had, and will not have, or has otherwise. */
  readonly leftOut: readonly string[];
  /** What of this host it would use, for which someone has to answer. */
  readonly hostTies: readonly string[];
}

/** Paths that distributions give their QEMU: on another host it lies elsewhere, and is as good. */
const distributionEmulator = /^\/usr\/(bin|libexec)\/(qemu-system-[a-z0-9_]+|qemu-kvm|kvm)$/;

/** Without one of them a VM does not start, or another system starts. */
const bootFiles = /^domain\/os\/(loader|kernel|initrd|dtb)$/;

/** A clone takes nothing that is outside of the backup; a VM that is restored as itself is shown what it ties. */
export async function planDefinition(options: DefinitionOptions): Promise<PlannedDefinition> {
  return options.request.name === undefined
    ? await ownDefinition(options)
    : cloneDefinition(options);
}

function cloneDefinition(options: DefinitionOptions): PlannedDefinition {
  const { request, xml, rewrite, facts, today } = options;
  const others = describeDomain(xml).disks.filter(({ target }) => !rewrite.disks.has(target));
  const keeps = request.keepOtherDisks;
  const rewritten = rewriteDomain(xml, {
    ...rewrite,
    otherDisks: keeps ? "keep" : "remove-media",
    closeCharacterDevices: true,
  });
  const isOther = (element: XmlElement) =>
    keeps && element.name === "disk" &&
    !rewrite.disks.has(attribute(child(element, "target"), "dev") ?? "");
  const booted = bootPaths(today);
  const closed = leaveOut(rewritten, cloneParts, (value, path) => {
    if (bootFiles.test(path) && (request.trustDefinition || booted.has(value))) return true;
    return isOurs(value, path, facts, rewrite);
  }, isOther);
  const needed = closed.leftOut.filter(({ path }) => bootFiles.test(path));
  return {
    xml: closed.xml,
    emptied: [],
    leftOut: [
      ...keeps ? [] : others.filter(isPresent).map(showDisk),
      ...boundCharacterDevices(xml),
      ...outsideNames(closed.leftOut.filter((each) => !needed.includes(each))),
    ],
    hostTies: outsideNames(needed),
  };
}

async function ownDefinition(options: DefinitionOptions): Promise<PlannedDefinition> {
  const { system, request, xml, rewrite, facts, replaced } = options;
  const { trustDefinition } = request;
  const { disks } = describeDomain(xml);
  const closes = !trustDefinition && replaced === undefined;
  const emptied: string[] = [];
  for (const disk of disks) {
    if (!isDrive(disk) || disk.source === undefined || rewrite.disks.has(disk.target)) continue;
    const isHere = await system.files.inspectTarget(disk.source) !== undefined;
    if (!isHere || !trustDefinition && !isImage(disk.source, options)) emptied.push(disk.target);
  }
  const rewritten = rewriteDomain(xml, {
    ...rewrite,
    otherDisks: "keep",
    emptyDrives: new Set(emptied),
    closeCharacterDevices: closes,
  });
  const placed = withKnownEmulator(rewritten, facts);
  const ties = hostTies(
    placed,
    (value, path) =>
      path === "domain/devices/disk/source@file"
        ? isImage(value, options) || isOurs(value, path, facts, rewrite)
        : isOurs(value, path, facts, rewrite),
    replaced?.xml,
  );
  return {
    xml: placed,
    emptied,
    leftOut: [
      ...closes ? boundCharacterDevices(xml) : [],
      ...placed === rewritten ? [] : ["the emulator of another distribution"],
    ],
    hostTies: outsideNames(ties),
  };
}

/** Whether a name is one of this restore's making, or of this host's own. */
function isOurs(
  value: string,
  path: string,
  { emulators, firmware }: HostFacts,
  { disks, nvram }: DefinitionOptions["rewrite"],
): boolean {
  switch (path) {
    case "domain/devices/emulator":
      return emulators.has(value);
    case "domain/os/loader":
    case "domain/os/nvram@template":
      return firmware.has(value);
    case "domain/os/nvram":
    case "domain/os/nvram/source@file":
      return value === nvram;
    case "domain/devices/disk/source@file":
      return [...disks.values()].some((disk) => disk.path === value);
    default:
      return false;
  }
}

/** An image that is no part of the backup: where images lie, and nobody else's. */
function isImage(
  path: string,
  { imageFolders, facts, today }: Pick<DefinitionOptions, "imageFolders" | "facts" | "today">,
): boolean {
  const plain = path.split("/").slice(1).every((part) =>
    part !== "" && part !== "." && part !== ".."
  );
  const isOwn = today?.description.disks.some(({ source }) => source === path) ?? false;
  const isTaken = facts.domains.some(({ uuid, description }) =>
    uuid !== today?.uuid &&
    [
      ...description.disks.map(({ source, readonly }) => readonly ? undefined : source),
      description.nvram,
    ]
      .includes(path)
  );
  return isOwn || plain && !isTaken && imageFolders.some((folder) => path.startsWith(`${folder}/`));
}

function withKnownEmulator(xml: string, { emulators }: HostFacts): string {
  const devices = child(parseDomain(xml), "devices");
  const foreign = (devices ? children(devices, "emulator") : []).filter(({ text }) =>
    !emulators.has(text.trim()) && distributionEmulator.test(text.trim())
  );
  return applyEdits(xml, foreign.map((element) => removal(xml, element)));
}

function bootPaths(today: KnownDomain | undefined): ReadonlySet<string> {
  const os = today && child(parseDomain(today.xml), "os");
  return new Set(
    ["loader", "kernel", "initrd", "dtb"].flatMap((name) => child(os, name)?.text.trim() ?? []),
  );
}

function isDrive({ device }: DomainDisk): boolean {
  return device === "cdrom" || device === "floppy";
}

function isPresent(disk: DomainDisk): boolean {
  return !isDrive(disk) || disk.source !== undefined;
}

function showDisk(disk: DomainDisk): string {
  const what = isDrive(disk) ? "medium of drive" : "disk";
  return `${what} ${disk.target} ${disk.source ?? disk.type}`;
}
