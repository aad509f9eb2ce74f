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

/** Back ends that only one domain of a host can have. */
const hostBound = ["file", "pipe", "unix", "tcp", "udp", "dev", "nmdm"];

/** Serial ports, consoles and channels become pseudo-terminals, and sockets that libvirt chooses. */
export function closedCharacterDevices(
  xml: string,
  devices: XmlElement,
  consoleLog: string | undefined,
): readonly Edit[] {
  return [
    ...serialEdits(xml, devices, consoleLog),
    ...children(devices, "parallel").map((parallel) => removal(xml, parallel)),
    ...children(devices, "channel").flatMap((channel) => channelEdits(xml, channel)),
  ];
}

/** The same, but only for those that another domain on the host would collide with. */
export function ownCharacterDevices(xml: string, devices: XmlElement): readonly Edit[] {
  const bound = (name: string) =>
    children(devices, name).filter((device) =>
      hostBound.includes(attribute(device, "type") ?? "") && child(device, "source") !== undefined
    );
  return [
    ...["serial", "parallel", "console"].flatMap((name) =>
      bound(name).flatMap((device) => characterEdits(xml, device, undefined))
    ),
    ...bound("channel").flatMap((channel) => channelEdits(xml, channel)),
    ...["serial", "parallel", "console", "channel"].flatMap((name) =>
      children(devices, name).flatMap((device) =>
        children(device, "log").map((log) => removal(xml, log))
      )
    ),
  ];
}

function serialEdits(
  xml: string,
  devices: XmlElement,
  consoleLog: string | undefined,
): readonly Edit[] {
  const serials = children(devices, "serial");
  const edits = serials.flatMap((serial, index) =>
    characterEdits(xml, serial, index === 0 ? consoleLog : undefined)
  );
  if (serials.length === 0 && consoleLog !== undefined) {
    edits.push(insertionInto(xml, devices, serialXml(consoleLog)));
  }
  for (const element of children(devices, "console")) {
    const isSerial = ["serial", undefined].includes(attribute(child(element, "target"), "type"));
    // libvirt shows the first serial port as a console too, and adds that by itself.
    if (isSerial) edits.push(removal(xml, element));
    else edits.push(...characterEdits(xml, element, undefined));
  }
  return edits;
}

function serialXml(consoleLog: string): string {
  return `<serial type='file'>\n  <source path='${
    escapeXml(consoleLog)
  }'/>\n  <target port='0'/>\n</serial>`;
}

/** Makes a character device a pseudo-terminal, or a file, and nothing else. */
function characterEdits(
  xml: string,
  device: XmlElement,
  file: string | undefined,
): Edit[] {
  const edits = [
    attributeEdit(xml, device, "type", file === undefined ? "pty" : "file"),
    attributeEdit(xml, device, "tty", undefined),
    ...["protocol", "log"].flatMap((name) =>
      children(device, name).map((element) => removal(xml, element))
    ),
  ];
  const [first, ...others] = children(device, "source");
  edits.push(...others.map((element) => removal(xml, element)));
  if (file === undefined) {
    if (first !== undefined) edits.push(removal(xml, first));
  } else {
    const text = `<source path='${escapeXml(file)}'/>`;
    edits.push(first === undefined ? insertionInto(xml, device, text) : replacement(first, text));
  }
  return edits;
}

/** A named channel gets a socket that libvirt chooses; the others lead out of the guest. */
function channelEdits(xml: string, channel: XmlElement): readonly Edit[] {
  const target = child(channel, "target");
  if (attribute(target, "type") !== "virtio") return [removal(xml, channel)];
  return [
    attributeEdit(xml, channel, "type", "unix"),
    ...["source", "protocol", "log"].flatMap((name) =>
      children(channel, name).map((element) => removal(xml, element))
    ),
    // The state of the agent in a running domain's XML.
    ...(target === undefined ? [] : [attributeEdit(xml, target, "state", undefined)]),
  ];
}
