import { parseXml, XmlElement } from "@rgrove/parse-xml";
import type { Virsh } from "../../libvirt/virsh.ts";
import { child, children } from "../../libvirt/xml_element.ts";
import type { System } from "../../sys/system.ts";

/** Where distributions and administrators describe firmware (QEMU, docs/interop/firmware.json). */
const descriptorFolders = ["/usr/share/qemu/firmware", "/etc/qemu/firmware"];

/** Where packages put firmware: older VMs name files there that no descriptor does. */
const packageFolders = [
  ...["/usr/share/OVMF", "/usr/share/edk2/ovmf", "/usr/share/edk2/x64", "/usr/share/edk2/aarch64"],
  ...["/usr/share/AAVMF", "/usr/share/qemu-efi-aarch64"],
];

/**
 * Paths of the firmware and of the templates for its variables that this host has by its own word: its
 * descriptors, its packages, and what libvirt offers.
 */
export async function hostFirmware(
  { files }: Pick<System, "files">,
  virsh: Virsh,
): Promise<ReadonlySet<string>> {
  const known = new Set<string>();
  for (const folder of descriptorFolders) {
    if (await files.inspectTarget(folder) === undefined) continue;
    for (const name of await files.list(folder)) {
      if (!name.endsWith(".json")) continue;
      const text = await files.readText(`${folder}/${name}`).catch(() => "");
      for (const path of pathsOf(text)) known.add(path);
    }
  }
  for (const folder of packageFolders) {
    if (await files.inspectTarget(folder) === undefined) continue;
    for (const name of await files.list(folder)) {
      if (/\.(fd|qcow2|raw)$/.test(name)) known.add(`${folder}/${name}`);
    }
  }
  const asked = await virsh.attempt(["domcapabilities"]);
  const { root } = asked.code === 0 ? parseXml(asked.stdout) : { root: undefined };
  const loader = root instanceof XmlElement ? child(child(root, "os"), "loader") : undefined;
  for (const value of loader ? children(loader, "value") : []) known.add(value.text.trim());
  return known;
}

/** Every `filename` of a descriptor's mapping. */
function pathsOf(descriptor: string): readonly string[] {
  const found: string[] = [];
  const look = (value: unknown) => {
    if (typeof value !== "object" || value === null) return;
    for (const [name, inner] of Object.entries(value)) {
      if (name === "filename" && typeof inner === "string") found.push(inner);
      else look(inner);
    }
  };
  try {
    look((JSON.parse(descriptor) as { mapping?: unknown } | null)?.mapping);
  } catch {
    // Someone else's file: QEMU and libvirt ignore it too.
  }
  return found;
}
