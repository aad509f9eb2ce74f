import type { XmlElement } from "@rgrove/parse-xml";
import { attribute, child, children, parseDomain } from "./xml_element.ts";

/**
 * Targets of disks whose requests an iothread serves (libvirt, formatdomain.html): a virtio-blk disk names it
 * itself, a virtio-scsi disk by its controller.
 */
export function iothreadDisks(xml: string): ReadonlySet<string> {
  const devices = child(parseDomain(xml), "devices");
  if (devices === undefined) return new Set();
  const controllers = new Set(
    children(devices, "controller")
      .filter((controller) => attribute(controller, "type") === "scsi" && hasIothread(controller))
      .map((controller) => attribute(controller, "index") ?? "0"),
  );
  const disks = children(devices, "disk").filter((disk) => {
    const isScsi = attribute(child(disk, "target"), "bus") === "scsi";
    const controller = attribute(child(disk, "address"), "controller") ?? "0";
    return hasIothread(disk) || (isScsi && controllers.has(controller));
  });
  return new Set(disks.map((disk) => attribute(child(disk, "target"), "dev") ?? ""));
}

/** One iothread is an attribute; several, since libvirt 10.0, are a list. */
function hasIothread(device: XmlElement): boolean {
  const driver = child(device, "driver");
  return attribute(driver, "iothread") !== undefined || child(driver, "iothreads") !== undefined;
}
