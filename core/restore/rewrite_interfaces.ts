import type { XmlElement } from "@rgrove/parse-xml";
import {
  attributeEdit,
  type Edit,
  escapeXml,
  insertionInto,
  removal,
  replacement,
} from "../libvirt/xml_edit.ts";
import { attribute, child, children } from "../libvirt/xml_element.ts";
import type { DomainRewrite } from "./rewrite.ts";

/** Elements of an interface that only fit what it was attached to. */
const ofOldAttachment = [
  ...["virtualport", "vlan", "filterref", "script", "downscript", "backend", "portForward"],
  ...["ip", "route", "teaming", "port", "sync", "local"],
];

/** Edits that give the interfaces their addresses and their network. */
export function interfaceEdits(
  xml: string,
  domain: XmlElement,
  { network, newMacs }: DomainRewrite,
): readonly Edit[] {
  const devices = child(domain, "devices");
  const interfaces = devices ? children(devices, "interface") : [];
  return interfaces.flatMap((element) => {
    if (network.kind === "none") return [removal(xml, element)];
    const edits: Edit[] = [];
    // The name of a tap device is unique on a host.
    if (newMacs || network.kind === "network") {
      edits.push(...children(element, "target").map((target) => removal(xml, target)));
    }
    if (newMacs) {
      const mac = child(element, "mac");
      if (mac !== undefined) edits.push(attributeEdit(xml, mac, "address", randomMac()));
    }
    switch (network.kind) {
      case "keep":
        return edits;
      case "link-down":
        if (isHostDevice(element)) return [removal(xml, element)];
        return [...edits, linkDown(xml, element)];
      case "network":
        return [...edits, ...attach(xml, element, network.name)];
    }
  });
}

/** A physical function, a vDPA device or another process's socket: it has no link that could be cut. */
function isHostDevice(element: XmlElement): boolean {
  return ["hostdev", "vdpa", "vhostuser"].includes(attribute(element, "type") ?? "");
}

function linkDown(xml: string, element: XmlElement): Edit {
  const link = child(element, "link");
  return link === undefined
    ? insertionInto(xml, element, "<link state='down'/>")
    : attributeEdit(xml, link, "state", "down");
}

function attach(xml: string, element: XmlElement, network: string): readonly Edit[] {
  const source = child(element, "source");
  const text = `<source network='${escapeXml(network)}'/>`;
  const edits: Edit[] = [
    attributeEdit(xml, element, "type", "network"),
    ...["managed", "trustGuestRxFilters"].map((name) =>
      attributeEdit(xml, element, name, undefined)
    ),
    source === undefined ? insertionInto(xml, element, text) : replacement(source, text),
    ...children(element, "source").slice(1).map((extra) => removal(xml, extra)),
    ...ofOldAttachment.flatMap((name) =>
      children(element, name).map((extra) => removal(xml, extra))
    ),
  ];
  if (isHostDevice(element)) {
    edits.push(...children(element, "driver").map((driver) => removal(xml, driver)));
  }
  if (child(element, "model") === undefined) {
    edits.push(insertionInto(xml, element, "<model type='virtio'/>"));
  }
  return edits;
}

/** In the range that QEMU and libvirt use. */
function randomMac(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(3));
  return `52:54:00:${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(":")}`;
}
