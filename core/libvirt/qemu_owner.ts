import { parseXml, XmlElement } from "@rgrove/parse-xml";
import type { DomainDescription } from "./domain_xml.ts";
import type { Virsh } from "./virsh.ts";
import { attribute, child, children, childText } from "./xml_element.ts";

/**
 * The user and group that libvirt runs QEMU as, from the host's capabilities; `undefined` for a libvirt of an
 * ordinary user, which runs it as itself (libvirt, formatcaps.html, `secmodel`).
 */
export async function qemuOwner(virsh: Virsh): Promise<DomainDescription["owner"]> {
  const { root } = parseXml(await virsh.run(["capabilities"]));
  const host = root instanceof XmlElement ? child(root, "host") : undefined;
  const model = host &&
    children(host, "secmodel").find((element) => childText(element, "model") === "dac");
  const label = model &&
    children(model, "baselabel").find((element) =>
      ["kvm", "qemu"].includes(attribute(element, "type") ?? "")
    );
  const match = /^\+(\d+):\+(\d+)$/.exec(label?.text.trim() ?? "");
  return match ? { uid: Number(match[1]), gid: Number(match[2]) } : undefined;
}
