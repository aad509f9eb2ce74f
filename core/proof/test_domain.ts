import { VmbError } from "../error.ts";
import { child, parseDomain } from "../libvirt/xml_element.ts";
import { readForeignDomain } from "../restore/definition/foreign_domain.ts";
import { guestMemory } from "../restore/definition/guest_memory.ts";
import { outsideNames } from "../restore/definition/outside_names.ts";
import { judge, type Kept, type Outside } from "../restore/definition/part.ts";
import { element, writeKept } from "../restore/definition/write_kept.ts";
import { copyDevices, type TestCopy } from "./copy_devices.ts";
import { copyParts } from "./copy_parts.ts";

/** A definition of a copy, and what it says. */
export interface TestDomain {
  readonly xml: string;
  /** Bytes that it takes from its host's memory, at most. */
  readonly memory: number;
  /** Devices and settings of the original that it has not. */
  readonly leftOut: readonly string[];
}

/** Elements of `<os>` that name a file which the domain boots from. */
const bootElements = ["kernel", "initrd", "dtb"] as const;

/** Paths of the files that a domain boots from without a boot loader. */
export function bootFilesOf(xml: string): readonly string[] {
  const os = child(parseDomain(xml), "os");
  return bootElements.flatMap((name) => {
    const path = os && child(os, name)?.text.trim();
    return path ? [path] : [];
  });
}

/**
 * Builds the XML of a throw-away copy. It is made of what a guest needs, and of files, sockets and networks of
 * this run; whatever else the definition of the original says is not in it, whether it is known today or not.
 *
 * @throws {VmbError} `proof.firmware` when it starts by firmware that this host has not;
 *   `restore.definition` when it is no definition that libvirt would write
 */
export function testCopy(xml: string, copy: TestCopy): TestDomain {
  const { kept, outside } = judge(readForeignDomain(xml), copyParts, (value, path) => {
    switch (path) {
      case "domain/os/loader":
      case "domain/os/nvram@template":
        return copy.firmware.has(value);
      default:
        return copy.bootFiles.has(value);
    }
  });
  const loader = outside.find(({ path }) => path === "domain/os/loader");
  if (loader !== undefined) {
    throw new VmbError(`The VM starts by the firmware ${loader.value}, which this host has not`, {
      code: "proof.firmware",
      hint: "Install it (edk2-ovmf, ovmf), or prove the backup where the VM ran",
    });
  }
  const os = kept && first(kept, "os");
  const memory = kept && guestMemory(kept);
  if (kept === undefined || os === undefined || memory === undefined) {
    throw new VmbError("Definition in the backup is none of a QEMU guest with its memory", {
      code: "restore.definition",
      exit: 6,
      hint: "Look at it: another hypervisor made it, or someone has changed it",
    });
  }
  const devices = kept.children.filter(({ name }) => name === "devices")
    .flatMap(({ children }) => children);
  const system = kept.children.filter(({ name }) => !["os", "devices", "genid"].includes(name));
  const domain = element(
    "domain",
    { type: kept.attributes["type"] },
    element("name", {}, copy.name),
    element("uuid", {}, copy.uuid),
    // A guest that was set back in time has to notice (libvirt, formatdomain.html, `genid`).
    ...first(kept, "genid") ? [element("genid", {}, crypto.randomUUID())] : [],
    ...system.map((each) => withUuid(each, copy.uuid)),
    bootOf(os, copy),
    element("on_crash", {}, "destroy"),
    element("devices", {}, ...copyDevices(devices, copy)),
  );
  return {
    xml: writeKept(domain),
    memory,
    leftOut: [...namesOf(outside), ...unbacked(devices, copy)],
  };
}

/** Devices and settings that a copy has not; names, labels and parts that ours take the place of are no loss. */
function namesOf(outside: readonly Outside[]): readonly string[] {
  return outsideNames(
    outside.filter(({ path, attribute }) =>
      attribute === undefined && /^domain\/(devices\/)?[^/]+$/.test(path) &&
      !/\/(name|uuid|title|description|metadata|seclabel|on_crash|emulator|audio)$/.test(path)
    ),
  );
}

/** Disks that the backup left out. */
function unbacked(devices: readonly Kept[], { disks }: TestCopy): readonly string[] {
  return devices.filter(({ name, attributes }) =>
    name === "disk" && !["cdrom", "floppy"].includes(attributes["device"] ?? "")
  ).map((disk) => first(disk, "target")?.attributes["dev"] ?? "")
    .filter((target) => !disks.has(target))
    .map((target) => `disk ${target}`);
}

/** Firmware, boot files and boot order. */
function bootOf(os: Kept, { nvram, bootFiles }: TestCopy): Kept {
  const children = os.children.filter(({ name }) => name !== "nvram").map((each) =>
    (bootElements as readonly string[]).includes(each.name)
      ? element(each.name, {}, bootFiles.get(each.text ?? "") ?? "")
      : each
  );
  if (nvram === undefined) return { ...os, children };
  const { type: _, ...attributes } = first(os, "nvram")?.attributes ?? {};
  return { ...os, children: [...children, element("nvram", attributes, nvram)] };
}

/** libvirt refuses a domain whose SMBIOS tables name another UUID. */
function withUuid(kept: Kept, uuid: string): Kept {
  if (kept.name === "entry" && kept.attributes["name"] === "uuid") return { ...kept, text: uuid };
  return { ...kept, children: kept.children.map((each) => withUuid(each, uuid)) };
}

function first(kept: Kept, name: string): Kept | undefined {
  return kept.children.find((each) => each.name === name);
}
