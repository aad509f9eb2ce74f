import type { XmlElement } from "@rgrove/parse-xml";
import {
  attributeEdit,
  type Edit,
  escapeXml,
  removal,
  replacement,
  textEdit,
} from "../libvirt/xml_edit.ts";
import { attribute, child, children } from "../libvirt/xml_element.ts";
import { closedCharacterDevices } from "./rewrite_character_devices.ts";

/** Devices that reach into the host, into a person's desktop or into another domain. */
const sharedDevices = [
  ...["hostdev", "filesystem", "redirdev", "redirfilter", "shmem", "vsock", "smartcard", "lease"],
  ...["pstore"],
];

/** Settings that pin the domain to this host's processors, memory and cgroups, or to its labels. */
const hostSettings = [
  ...["cputune", "numatune", "memtune", "blkiotune", "memoryBacking", "resource", "seclabel"],
  ...["qemu:commandline", "qemu:override", "perf"],
];

/**
 * Edits that cut every tie of a domain to its host and to other domains. What the guest's system needs to
 * boot stays: processor, controllers, video, boot order, agent channel, emulated TPM.
 *
 * @param consoleLog file that the first serial port writes to
 */
export function isolationEdits(
  xml: string,
  domain: XmlElement,
  consoleLog: string | undefined,
): readonly Edit[] {
  const devices = child(domain, "devices");
  const remove = (element: XmlElement) => removal(xml, element);
  const edits = hostSettings.flatMap((name) => children(domain, name).map(remove));
  const vcpu = child(domain, "vcpu");
  if (attribute(vcpu, "cpuset") !== undefined && vcpu !== undefined) {
    edits.push(attributeEdit(xml, vcpu, "cpuset", undefined));
  }
  // Shared memory of a NUMA cell needs the memory backing that was removed.
  for (const cell of children(child(child(domain, "cpu"), "numa") ?? domain, "cell")) {
    edits.push(attributeEdit(xml, cell, "memAccess", undefined));
  }
  const onCrash = child(domain, "on_crash");
  if (onCrash !== undefined && onCrash.text.trim() !== "destroy") {
    edits.push(textEdit(xml, onCrash, "destroy"));
  }
  if (devices === undefined) return edits;
  return [
    ...edits,
    ...sharedDevices.flatMap((name) => children(devices, name).map(remove)),
    ...closedCharacterDevices(xml, devices, consoleLog),
    ...children(devices, "graphics").map((graphics) => closedGraphics(xml, graphics)),
    ...children(devices, "video").flatMap((video) =>
      children(child(video, "model") ?? video, "acceleration").map(remove)
    ),
    ...children(devices, "audio").map((audio) =>
      replacement(audio, `<audio id='${escapeXml(attribute(audio, "id") ?? "1")}' type='none'/>`)
    ),
    ...children(devices, "input").filter((input) =>
      ["passthrough", "evdev"].includes(attribute(input, "type") ?? "")
    ).map(remove),
    ...children(devices, "tpm").filter((tpm) =>
      attribute(child(tpm, "backend"), "type") !== "emulator"
    ).map(remove),
    ...children(devices, "tpm").flatMap((tpm) =>
      children(child(tpm, "backend") ?? tpm, "source").map(remove)
    ),
    ...children(devices, "rng").filter((rng) => attribute(child(rng, "backend"), "model") === "egd")
      .map(remove),
    // Memory that is a file of the host keeps what the guest writes.
    ...children(devices, "memory").filter((memory) =>
      ["nvdimm", "virtio-pmem", "sgx-epc"].includes(attribute(memory, "model") ?? "")
    ).map(remove),
    ...children(devices, "watchdog").map((watchdog) =>
      attributeEdit(xml, watchdog, "action", "none")
    ),
  ];
}

/** Pictures are still made of it, and `virt-viewer --attach` shows it; but nothing listens. */
function closedGraphics(xml: string, graphics: XmlElement): Edit {
  const type = attribute(graphics, "type") ?? "";
  return ["vnc", "spice"].includes(type)
    ? replacement(graphics, `<graphics type='${type}'><listen type='none'/></graphics>`)
    : removal(xml, graphics);
}
