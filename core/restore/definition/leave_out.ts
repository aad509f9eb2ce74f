import type { XmlElement } from "@rgrove/parse-xml";
import { VmbError } from "../../error.ts";
import { applyEdits, attributeEdit, removal } from "../../libvirt/xml_edit.ts";
import { readForeignDomain } from "./foreign_domain.ts";
import { judge, type Outside, type Part } from "./part.ts";

export interface Closed {
  readonly xml: string;
  readonly leftOut: readonly Outside[];
}

/**
 * Takes out of a definition all that a part does not allow; every other byte stays as it was.
 *
 * @param isSpared elements that stay whatever is in them
 */
export function leaveOut(
  xml: string,
  part: Part,
  isOurs: (value: string, path: string) => boolean,
  isSpared: (element: XmlElement) => boolean = () => false,
): Closed {
  const leftOut = outsideOf(xml, part, isOurs).filter(({ element }) =>
    !isWithin(element, isSpared)
  );
  if (leftOut.some(({ path }) => path === "domain")) throw noQemuGuest();
  const edits = leftOut.map(({ element, attribute }) =>
    attribute === undefined
      ? removal(xml, element)
      : attributeEdit(xml, element, attribute, undefined)
  );
  return { xml: applyEdits(xml, edits), leftOut };
}

/** All that a part does not allow in a definition; prefixes that the root declares do nothing. */
export function outsideOf(
  xml: string,
  part: Part,
  isOurs: (value: string, path: string) => boolean,
): readonly Outside[] {
  const { outside } = judge(readForeignDomain(xml), part, isOurs);
  return outside.filter(({ path }) => !path.startsWith("domain@xmlns:"));
}

function isWithin(element: XmlElement, isSpared: (element: XmlElement) => boolean): boolean {
  for (let each: unknown = element; each instanceof Object && "attributes" in each;) {
    const present = each as XmlElement;
    if (isSpared(present)) return true;
    each = present.parent;
  }
  return false;
}

function noQemuGuest(): VmbError {
  return new VmbError("Definition in the backup is none of a QEMU guest", {
    code: "restore.definition",
    exit: 6,
    hint: "Look at it: another hypervisor made it, or someone has changed it",
  });
}
