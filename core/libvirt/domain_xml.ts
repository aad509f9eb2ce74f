import type { XmlElement } from "@rgrove/parse-xml";
import { applyEdits, replacement } from "./xml_edit.ts";
import { attribute, child, children, childText, parseDomain } from "./xml_element.ts";

/** A `<disk>` of a domain. */
export interface DomainDisk {
  /** The guest's name of it: `vda`. Unique in a domain. */
  readonly target: string;
  readonly bus: string;
  readonly device: "disk" | "cdrom" | "floppy" | "lun";
  /** `file`, `block`, `network`, `volume`, `nvme`, `dir`, `vhostuser`. */
  readonly type: string;
  /** Format of the top image: `qcow2`, `raw`. */
  readonly format: string;
  /** Path of a file or block device; `undefined` for an empty drive and for other types. */
  readonly source: string | undefined;
  readonly readonly: boolean;
  readonly shareable: boolean;
  readonly transient: boolean;
  /** libvirt decrypts it for the guest: an export of it is plain data. */
  readonly encrypted: boolean;
  /** Images below the top one, nearest first; only live XML tells them. */
  readonly backing: readonly DiskImage[];
  /** The block job that libvirt shows on this disk, if one runs. */
  readonly mirror: { readonly job: string; readonly ready: boolean } | undefined;
}

export interface DiskImage {
  readonly format: string;
  /** Path of a file or block device; of another kind of image only the kind: `network`. */
  readonly source: string;
}

export interface DomainInterface {
  readonly type: string;
  readonly mac: string | undefined;
  /** Network, bridge or device that it is attached to. */
  readonly source: string | undefined;
}

/** What a domain's XML says, as far as a backup needs to know it. */
export interface DomainDescription {
  readonly name: string;
  readonly uuid: string;
  readonly disks: readonly DomainDisk[];
  readonly interfaces: readonly DomainInterface[];
  /** Path of the UEFI variable store. */
  readonly nvram: string | undefined;
  /** The type of a variable store that is no file: `network`. */
  readonly foreignNvram: string | undefined;
  /** `emulator` when swtpm holds the state of a TPM for it. */
  readonly tpm: { readonly backend: string; readonly source: string | undefined } | undefined;
  /** A guest agent channel is configured. */
  readonly agent: boolean;
  /** uid and gid that QEMU runs as, from the live XML's DAC label. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
}

/**
 * Reads a domain's XML (libvirt, formatdomain.html).
 *
 * @throws {VmbError} `libvirt.xml` when the text is no well-formed domain
 */
export function describeDomain(xml: string): DomainDescription {
  const domain = parseDomain(xml);
  const devices = child(domain, "devices");
  const os = child(domain, "os");
  const tpm = devices && child(devices, "tpm");
  const tpmBackend = tpm && child(tpm, "backend");
  return {
    name: childText(domain, "name") ?? "",
    uuid: childText(domain, "uuid") ?? "",
    disks: devices ? children(devices, "disk").map(describeDisk) : [],
    interfaces: devices ? children(devices, "interface").map(describeInterface) : [],
    nvram: os && nvramPath(os),
    foreignNvram: os && foreignNvram(os),
    tpm: tpmBackend && {
      backend: attribute(tpmBackend, "type") ?? "",
      source: attribute(child(tpmBackend, "source"), "path"),
    },
    agent: devices !== undefined &&
      children(devices, "channel").some((channel) =>
        attribute(child(channel, "target"), "name") === "org.qemu.guest_agent.0"
      ),
    owner: dacOwner(domain),
  };
}

/**
 * Puts the `<disk>` elements that `original` has for `targets` in the place of those of `current`,
 * and leaves every other byte of `current` as it is.
 */
export function withDisksOf(current: string, original: string, targets: readonly string[]): string {
  const wanted = new Map(
    diskElements(original).map((disk) => [diskTarget(disk), original.slice(disk.start, disk.end)]),
  );
  const edits = diskElements(current).flatMap((disk) => {
    const target = diskTarget(disk);
    const text = wanted.get(target);
    return text === undefined || !targets.includes(target) ? [] : [replacement(disk, text)];
  });
  return applyEdits(current, edits);
}

function diskElements(xml: string): readonly XmlElement[] {
  const devices = child(parseDomain(xml), "devices");
  return devices ? children(devices, "disk") : [];
}

function describeDisk(disk: XmlElement): DomainDisk {
  const mirror = child(disk, "mirror");
  return {
    target: diskTarget(disk),
    bus: attribute(child(disk, "target"), "bus") ?? "",
    device: (attribute(disk, "device") ?? "disk") as DomainDisk["device"],
    type: attribute(disk, "type") ?? "",
    format: attribute(child(disk, "driver"), "type") ?? "raw",
    source: sourcePath(disk),
    readonly: child(disk, "readonly") !== undefined,
    shareable: child(disk, "shareable") !== undefined,
    transient: child(disk, "transient") !== undefined,
    encrypted: [disk, child(disk, "source")].some((place) =>
      child(place, "encryption") !== undefined
    ),
    backing: backingChain(disk),
    mirror: mirror && {
      job: attribute(mirror, "job") ?? "copy",
      ready: attribute(mirror, "ready") === "yes",
    },
  };
}

function backingChain(image: XmlElement): readonly DiskImage[] {
  const chain: DiskImage[] = [];
  for (let next = child(image, "backingStore"); next; next = child(next, "backingStore")) {
    const source = sourcePath(next) ?? attribute(next, "type");
    if (source === undefined) break;
    chain.push({ format: attribute(child(next, "format"), "type") ?? "raw", source });
  }
  return chain;
}

function sourcePath(image: XmlElement): string | undefined {
  const source = child(image, "source");
  return attribute(source, "file") ?? attribute(source, "dev");
}

function diskTarget(disk: XmlElement): string {
  return attribute(child(disk, "target"), "dev") ?? "";
}

function describeInterface(element: XmlElement): DomainInterface {
  const source = child(element, "source");
  return {
    type: attribute(element, "type") ?? "",
    mac: attribute(child(element, "mac"), "address"),
    source: attribute(source, "network") ?? attribute(source, "bridge") ?? attribute(source, "dev"),
  };
}

/** Newer libvirt writes `<nvram type='file'><source file=.../></nvram>`, older the path as text. */
function nvramPath(os: XmlElement): string | undefined {
  const nvram = child(os, "nvram");
  if (nvram === undefined) return undefined;
  return attribute(child(nvram, "source"), "file") ?? (nvram.text.trim() || undefined);
}

function foreignNvram(os: XmlElement): string | undefined {
  const type = attribute(child(os, "nvram"), "type");
  return type === "file" ? undefined : type;
}

function dacOwner(domain: XmlElement): DomainDescription["owner"] {
  const label = children(domain, "seclabel").find((seclabel) =>
    attribute(seclabel, "model") === "dac"
  );
  const match = /^\+(\d+):\+(\d+)$/.exec(label ? childText(label, "label") ?? "" : "");
  return match ? { uid: Number(match[1]), gid: Number(match[2]) } : undefined;
}
