import { XmlElement } from "@rgrove/parse-xml";
import { qemuArguments } from "./qemu_arguments.ts";
import { attribute, child, children, childText, parseDomain } from "./xml_element.ts";

/** Something that a domain uses of its host, and that is no `<disk>`. */
export interface OtherData {
  /** In the field's words: `kernel`, `fw_cfg file`, `shared folder`. */
  readonly kind: string;
  /** Path, name or address of it on the host. */
  readonly source: string;
  /**
   * `boot`: a file that the domain does not start without, and that a backup can keep; `data`: what a guest keeps
   * there is lost without it; `host`: a device of the machine.
   */
  readonly use: "boot" | "data" | "host";
}

/** Devices that keep nothing of the guest's, by libvirt's schema (domaincommon.rng). */
const withoutData = new Set([
  ...["audio", "channel", "console", "controller", "crypto", "disk", "emulator", "graphics"],
  ...["hub", "input", "interface", "iommu", "lease", "memballoon", "nvram", "panic", "parallel"],
  ...["redirdev", "redirfilter", "rng", "serial", "sound", "video", "vsock", "watchdog"],
]);

/** Elements of `<os>` whose text is the path of a file that the domain starts from. */
const bootElements = ["kernel", "initrd", "dtb", "shim"] as const;

/** All that a domain uses beside its disks, its UEFI variables and its emulated TPM; empty for most. */
export function otherData(xml: string): readonly OtherData[] {
  const domain = parseDomain(xml);
  const os = child(domain, "os");
  const devices = child(domain, "devices");
  return [
    ...bootElements.flatMap((name) => found("boot", name, os && childText(os, name))),
    ...children(child(os, "acpi") ?? domain, "table").flatMap((table) =>
      found("boot", "ACPI table", table.text.trim())
    ),
    ...found("boot", "UEFI variable store", attribute(child(os, "varstore"), "path")),
    ...children(domain, "sysinfo").flatMap((sysinfo) =>
      children(sysinfo, "entry").flatMap((entry) =>
        found("boot", "fw_cfg file", attribute(entry, "file"))
      )
    ),
    ...(devices?.children ?? []).flatMap((node) =>
      node instanceof XmlElement ? [...ofDevice(node), ...romsOf(node)] : []
    ),
    ...children(domain, "qemu:commandline").flatMap((line) =>
      qemuArguments(
        children(line, "qemu:arg").map((argument) => attribute(argument, "value") ?? ""),
      )
    ),
  ];
}

function found(
  use: OtherData["use"],
  kind: string,
  source: string | undefined,
): readonly OtherData[] {
  return source ? [{ kind, source, use }] : [];
}

function ofDevice(device: XmlElement): readonly OtherData[] {
  const source = child(device, "source");
  switch (device.name) {
    case "memory": {
      const path = childText(source ?? device, "path") ?? childText(device, "path");
      return found("data", `${attribute(device, "model")} memory`, path);
    }
    case "filesystem":
      return found("data", "shared folder", anyOf(source));
    case "shmem": {
      const server = attribute(child(device, "server"), "path");
      return found("data", "shared memory", server ?? attribute(device, "name"));
    }
    case "pstore":
      return found("data", "persistent store", childText(device, "path"));
    case "smartcard":
      return found("data", "smartcard database", childText(device, "database"));
    case "hostdev":
      return ofHostDevice(device, source);
    case "tpm": {
      const backend = child(device, "backend");
      const type = attribute(backend, "type");
      return type === "emulator" ? [] : found("data", `TPM (${type})`, tpmSource(backend));
    }
    default:
      return withoutData.has(device.name)
        ? []
        : found("data", "device that this vmb does not know", `<${device.name}>`);
  }
}

function ofHostDevice(
  device: XmlElement,
  source: XmlElement | undefined,
): readonly OtherData[] {
  const type = attribute(device, "type") ?? attribute(device, "mode") ?? "";
  // Of those a guest has storage; of a PCI or USB device nobody can tell by its address.
  const use = type.startsWith("scsi") || type === "storage" ? "data" : "host";
  const address = child(source, "address") ?? child(source, "adapter");
  const place = anyOf(source) ?? (Object.values(address?.attributes ?? {}).join(":") || "?");
  return found(use, `host device (${type})`, place);
}

function tpmSource(backend: XmlElement | undefined): string {
  const source = child(backend, "source") ?? child(backend, "device");
  return attribute(source, "path") ?? "of the host";
}

/** What a `<source>` names, whatever it calls it. */
function anyOf(source: XmlElement | undefined): string | undefined {
  return ["dir", "file", "dev", "path", "socket", "name", "wwpn", "pool", "startaddr"]
    .map((name) => attribute(source, name))
    .find((value) => value !== undefined);
}

/** QEMU does not start without the file of a device's ROM. */
function romsOf(device: XmlElement): readonly OtherData[] {
  return children(device, "rom").flatMap((rom) => found("boot", "ROM", attribute(rom, "file")));
}
