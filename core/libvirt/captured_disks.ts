import type { XmlElement } from "@rgrove/parse-xml";
import { applyEdits, attributeEdit, insertionInto, removal } from "./xml_edit.ts";
import { attribute, child, children, parseDomain } from "./xml_element.ts";

/** Parts of a running domain's `<disk>` that are of that run alone; libvirt finds a new address. */
const ofTheRun = ["address", "alias", "backingStore", "mirror", "privateData"];

/**
 * A domain's definition with every disk that was captured: one that the running domain alone had is taken from its
 * live XML. This list of disks is the one that is attached, in a restore and in a proof.
 *
 * @param targets of the disks in the backup
 * @returns the XML, and the targets that neither of the two has
 */
export function withCapturedDisks(
  definition: string,
  live: string | undefined,
  targets: readonly string[],
): { readonly xml: string; readonly missing: readonly string[] } {
  const domain = parseDomain(definition);
  const defined = disksOf(domain);
  const wanted = targets.filter((target) => !defined.has(target));
  const running = live === undefined ? undefined : disksOf(parseDomain(live));
  const added = wanted.flatMap((target) => {
    const disk = running?.get(target);
    return disk === undefined || live === undefined ? [] : [diskText(live, disk)];
  });
  const missing = wanted.filter((target) => running?.get(target) === undefined);
  if (added.length === 0) return { xml: definition, missing };
  const devices = child(domain, "devices");
  const edit = devices === undefined
    ? insertionInto(definition, domain, `<devices>${added.join("")}</devices>`)
    : insertionInto(definition, devices, added.join("\n"));
  return { xml: applyEdits(definition, [edit]), missing };
}

function disksOf(domain: XmlElement): ReadonlyMap<string, XmlElement> {
  const devices = child(domain, "devices");
  return new Map(
    (devices ? children(devices, "disk") : []).map((
      disk,
    ) => [attribute(child(disk, "target"), "dev") ?? "", disk]),
  );
}

/** The text of a live disk, without what is of its run. */
function diskText(xml: string, disk: XmlElement): string {
  const text = applyEdits(xml, [
    ...ofTheRun.flatMap((name) => children(disk, name).map((element) => removal(xml, element))),
    ...children(disk, "source").map((source) => attributeEdit(xml, source, "index", undefined)),
  ]);
  // What was removed lies inside the disk: the text around it keeps its length.
  return text.slice(disk.start, disk.end - (xml.length - text.length));
}
