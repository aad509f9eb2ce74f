import { parseXml, type XmlDocument, XmlElement } from "@rgrove/parse-xml";
import { VmbError } from "../error.ts";

/**
 * Parses the XML of a domain, with the place of each element in the text.
 *
 * @throws {VmbError} `libvirt.xml` when the text is no well-formed domain
 */
export function parseDomain(xml: string): XmlElement {
  let document: XmlDocument;
  try {
    document = parseXml(xml, { includeOffsets: true });
  } catch (error) {
    throw new VmbError(
      `Domain XML is not well-formed: ${
        error instanceof Error ? error.message.split("\n")[0] : ""
      }`,
      { code: "libvirt.xml" },
    );
  }
  if (document.root?.name !== "domain") {
    throw new VmbError(`Domain XML has the root element "${document.root?.name}", not "domain"`, {
      code: "libvirt.xml",
    });
  }
  return document.root;
}

/** The child elements of one name, in order. */
export function children(parent: XmlElement, name: string): readonly XmlElement[] {
  return parent.children.filter((node): node is XmlElement =>
    node instanceof XmlElement && node.name === name
  );
}

/** The first child element of a name. */
export function child(parent: XmlElement | undefined, name: string): XmlElement | undefined {
  return parent && children(parent, name)[0];
}

/** The text of the first child element of a name, without white space around it. */
export function childText(parent: XmlElement, name: string): string | undefined {
  return child(parent, name)?.text.trim();
}

export function attribute(element: XmlElement | undefined, name: string): string | undefined {
  return element?.attributes[name];
}
