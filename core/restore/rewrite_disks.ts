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
import type { DomainRewrite, RewrittenDisk } from "./rewrite.ts";

/** Elements of a disk that tell of its old image, not of the disk. */
const ofOldImage = ["backingStore", "mirror", "encryption", "auth"];

/** Edits that put each disk onto its new image, and treat the others as `otherDisks` says. */
export function diskEdits(
  xml: string,
  domain: XmlElement,
  rewrite: DomainRewrite,
): readonly Edit[] {
  const { disks, emptyDrives, otherDisks: others } = rewrite;
  const devices = child(domain, "devices");
  return children(devices ?? domain, "disk").flatMap((disk) => {
    const target = attribute(child(disk, "target"), "dev") ?? "";
    const image = disks.get(target);
    if (image !== undefined) return imageEdits(xml, disk, image);
    const isDrive = ["cdrom", "floppy"].includes(attribute(disk, "device") ?? "disk");
    if (isDrive && (others === "remove-media" || emptyDrives?.has(target))) {
      return mediumEdits(xml, disk);
    }
    return others === "keep" ? [] : [removal(xml, disk)];
  });
}

function imageEdits(
  xml: string,
  disk: XmlElement,
  { path, format }: RewrittenDisk,
): readonly Edit[] {
  const sourceXml = `<source file='${escapeXml(path)}'/>`;
  const source = child(disk, "source");
  const driver = child(disk, "driver");
  const edits: Edit[] = [attributeEdit(xml, disk, "type", "file")];
  if (source !== undefined) edits.push(replacement(source, sourceXml));
  if (driver === undefined) {
    edits.push(insertionInto(xml, disk, `<driver name='qemu' type='${format}'/>`));
  } else {
    edits.push(attributeEdit(xml, driver, "type", format));
    if (format === "raw") {
      // Both are options of qcow2 alone.
      edits.push(attributeEdit(xml, driver, "discard_no_unref", undefined));
      edits.push(...children(driver, "metadata_cache").map((element) => removal(xml, element)));
    }
  }
  if (source === undefined) edits.push(insertionInto(xml, disk, sourceXml));
  if (attribute(disk, "device") === "lun") {
    for (const [name, value] of [["device", "disk"], ["rawio"], ["sgio"]] as const) {
      edits.push(attributeEdit(xml, disk, name, value));
    }
  }
  for (const name of ofOldImage) {
    edits.push(...children(disk, name).map((element) => removal(xml, element)));
  }
  return edits;
}

/** Takes the medium out of a drive. */
function mediumEdits(xml: string, drive: XmlElement): readonly Edit[] {
  return [
    attributeEdit(xml, drive, "type", "file"),
    ...["source", ...ofOldImage].flatMap((name) =>
      children(drive, name).map((element) => removal(xml, element))
    ),
  ];
}
