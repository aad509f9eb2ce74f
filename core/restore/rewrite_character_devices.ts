import type { XmlElement } from "@rgrove/parse-xml";
import { attributeEdit, type Edit, removal } from "../libvirt/xml_edit.ts";
import { attribute, child, children, parseDomain } from "../libvirt/xml_element.ts";

/** Back ends that only one domain of a host can have. */
const hostBound = ["file", "pipe", "unix", "tcp", "udp", "dev", "nmdm"];

/**
 * Serial ports, consoles and channels that another domain on the host would collide with become
 * pseudo-terminals, and sockets that libvirt chooses.
 */
export function ownCharacterDevices(xml: string, devices: XmlElement): readonly Edit[] {
  const bound = (name: string) => children(devices, name).filter(isBound);
  return [
    ...["serial", "parallel", "console"].flatMap((name) =>
      bound(name).flatMap((device) => terminalEdits(xml, device))
    ),
    ...bound("channel").flatMap((channel) => channelEdits(xml, channel)),
    ...["serial", "parallel", "console", "channel"].flatMap((name) =>
      children(devices, name).flatMap((device) =>
        children(device, "log").map((log) => removal(xml, log))
      )
    ),
  ];
}

function isBound(device: XmlElement): boolean {
  return hostBound.includes(attribute(device, "type") ?? "") &&
    child(device, "source") !== undefined;
}

/** Tells which devices `ownCharacterDevices` changes, and what they were on. */
export function boundCharacterDevices(xml: string): readonly string[] {
  const devices = child(parseDomain(xml), "devices");
  if (devices === undefined) return [];
  // libvirt shows the first serial port as a console too.
  return ["serial", "parallel", "channel"].flatMap((name) =>
    children(devices, name).filter((device) =>
      isBound(device) && !isLibvirtSocket(device) || child(device, "log") !== undefined
    ).map((device) => {
      const source = child(device, "source");
      const place = attribute(source, "path") ??
        [attribute(source, "host"), attribute(source, "service")].join(":");
      return `${name} on ${attribute(device, "type")} ${place}`;
    })
  );
}

/** Older libvirt kept the path of the socket that it had chosen itself. */
function isLibvirtSocket(device: XmlElement): boolean {
  return device.name === "channel" && attribute(device, "type") === "unix";
}

/** Makes a character device a pseudo-terminal, and nothing else. */
function terminalEdits(xml: string, device: XmlElement): readonly Edit[] {
  return [
    attributeEdit(xml, device, "type", "pty"),
    attributeEdit(xml, device, "tty", undefined),
    ...["source", "protocol", "log"].flatMap((name) =>
      children(device, name).map((element) => removal(xml, element))
    ),
  ];
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
