import type { XmlElement } from "@rgrove/parse-xml";
import {
  applyEdits,
  attributeEdit,
  type Edit,
  escapeXml,
  insertionAfter,
  insertionInto,
  removal,
  replacement,
  textEdit,
} from "../libvirt/xml_edit.ts";
import { attribute, child, children, childText, parseDomain } from "../libvirt/xml_element.ts";
import { ownCharacterDevices } from "./rewrite_character_devices.ts";
import { diskEdits } from "./rewrite_disks.ts";
import { interfaceEdits } from "./rewrite_interfaces.ts";
import type { DomainRewrite } from "./rewrite.ts";

/**
 * Rewrites a domain's XML by replacing spans of it: every byte that is not concerned stays as it was.
 *
 * A VM generation id always becomes a new one, because a guest that was set back in time has to notice
 * (libvirt, formatdomain.html, `genid`).
 *
 * @throws {VmbError} `libvirt.xml` when the text is no well-formed domain
 */
export function rewriteDomain(xml: string, rewrite: DomainRewrite): string {
  const domain = parseDomain(xml);
  return applyEdits(xml, [
    ...identityEdits(xml, domain, rewrite),
    ...diskEdits(xml, domain, rewrite),
    ...nvramEdits(xml, domain, rewrite),
    ...tpmEdits(xml, domain, rewrite),
    ...uniqueEdits(xml, domain, rewrite),
    ...interfaceEdits(xml, domain, rewrite),
  ]);
}

function identityEdits(
  xml: string,
  domain: XmlElement,
  { name, uuid }: DomainRewrite,
): readonly Edit[] {
  const edits: Edit[] = [];
  // The run-time id of a running domain says nothing of this one.
  if (attribute(domain, "id") !== undefined) {
    edits.push(attributeEdit(xml, domain, "id", undefined));
  }
  const nameElement = child(domain, "name");
  if (nameElement === undefined) {
    edits.push(insertionInto(xml, domain, `<name>${escapeXml(name)}</name>`));
  } else if (nameElement.text.trim() !== name) {
    edits.push(textEdit(xml, nameElement, name));
  }
  const uuidElement = child(domain, "uuid");
  if (uuidElement !== undefined) {
    if (uuidElement.text.trim() !== uuid) edits.push(textEdit(xml, uuidElement, uuid));
  } else {
    edits.push(
      nameElement === undefined
        ? insertionInto(xml, domain, `<uuid>${uuid}</uuid>`)
        : insertionAfter(xml, nameElement, `<uuid>${uuid}</uuid>`),
    );
  }
  // libvirt refuses a domain whose SMBIOS tables name another UUID.
  for (const sysinfo of children(domain, "sysinfo")) {
    for (const entry of children(child(sysinfo, "system") ?? sysinfo, "entry")) {
      if (attribute(entry, "name") === "uuid" && entry.text.trim() !== uuid) {
        edits.push(textEdit(xml, entry, uuid));
      }
    }
  }
  const generation = child(domain, "genid");
  if (generation !== undefined) edits.push(textEdit(xml, generation, crypto.randomUUID()));
  return edits;
}

/** Newer libvirt writes `<nvram type='file'><source file=.../></nvram>`, older the path as text. */
function nvramEdits(
  xml: string,
  domain: XmlElement,
  { nvram }: DomainRewrite,
): readonly Edit[] {
  const os = child(domain, "os");
  const element = child(os, "nvram");
  if (os === undefined || element === undefined) {
    if (os === undefined || nvram === undefined) return [];
    const text = `<nvram>${escapeXml(nvram)}</nvram>`;
    const before = child(os, "loader") ?? child(os, "firmware") ?? child(os, "type");
    return [
      before === undefined ? insertionInto(xml, os, text) : insertionAfter(xml, before, text),
    ];
  }
  const source = child(element, "source");
  if (source !== undefined) {
    return nvram === undefined
      ? [attributeEdit(xml, element, "type", undefined), textEdit(xml, element, "")]
      : [
        attributeEdit(xml, element, "type", "file"),
        replacement(source, `<source file='${escapeXml(nvram)}'/>`),
      ];
  }
  const old = element.text.trim();
  return old === (nvram ?? "") ? [] : [textEdit(xml, element, nvram ?? "")];
}

/** The state of an emulated TPM lies where libvirt looks for it, unless this host says otherwise. */
function tpmEdits(
  xml: string,
  domain: XmlElement,
  { tpmSource }: DomainRewrite,
): readonly Edit[] {
  const devices = child(domain, "devices");
  if (devices === undefined) return [];
  return children(devices, "tpm").flatMap((tpm) => children(tpm, "backend"))
    .filter((backend) => attribute(backend, "type") === "emulator")
    .flatMap((backend) => children(backend, "source"))
    .filter((source) => tpmSource === undefined || attribute(source, "path") !== tpmSource)
    .map((source) => removal(xml, source));
}

/** What two domains on one host cannot share: the address of a vsock, files and ports that QEMU opens. */
function uniqueEdits(
  xml: string,
  domain: XmlElement,
  { uuid, closeCharacterDevices }: DomainRewrite,
): readonly Edit[] {
  const devices = child(domain, "devices");
  if (devices === undefined) return [];
  const closed = closeCharacterDevices ? ownCharacterDevices(xml, devices) : [];
  if (childText(domain, "uuid") === uuid) return closed;
  return [
    ...closed,
    ...children(devices, "vsock").flatMap((vsock) =>
      children(vsock, "cid").map((cid) => replacement(cid, "<cid auto='yes'/>"))
    ),
    ...children(devices, "graphics").filter((graphics) =>
      attribute(graphics, "autoport") !== "yes" && attribute(graphics, "port") !== undefined
    ).flatMap((graphics) => [
      ...["port", "tlsPort", "websocket"].map((name) =>
        attributeEdit(xml, graphics, name, undefined)
      ),
      attributeEdit(xml, graphics, "autoport", "yes"),
    ]),
  ];
}
