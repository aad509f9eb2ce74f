import { parseXml, type XmlDocument, XmlDocumentType, XmlElement } from "@rgrove/parse-xml";
import { VmbError } from "../../error.ts";
import { parseDomain } from "../../libvirt/xml_element.ts";

/** The largest definitions that libvirt writes have some ten thousand bytes. */
const largest = 4 * 2 ** 20;

/**
 * Parses a definition that came from the share, of which nothing is believed.
 *
 * A document type is refused: libvirt's parser would take attributes from it that are nowhere in the text
 * (XML 1.0, section 3.3.2), and we would judge another definition than the one that it starts.
 *
 * @throws {VmbError} `restore.definition`, `libvirt.xml`
 */
export function readForeignDomain(xml: string): XmlElement {
  if (xml.length > largest) throw refused(`has ${xml.length} characters`);
  let document: XmlDocument;
  try {
    document = parseXml(xml, { includeOffsets: true, preserveDocumentType: true });
  } catch {
    return parseDomain(xml);
  }
  if (document.children.some((node) => node instanceof XmlDocumentType)) {
    throw refused("has a document type");
  }
  const domain = parseDomain(xml);
  if (depthOf(domain) > 64) throw refused("is nested too deeply");
  return domain;
}

function depthOf(element: XmlElement): number {
  let depth = 0;
  let level = [element];
  for (; level.length > 0 && depth <= 64; depth++) {
    level = level.flatMap((each) => each.children.filter((node) => node instanceof XmlElement));
  }
  return depth;
}

function refused(what: string): VmbError {
  return new VmbError(`Definition in the backup ${what}: libvirt writes no such thing`, {
    code: "restore.definition",
    exit: 6,
    hint: "Someone has changed it; look at the file, and restore another backup",
  });
}
