import { XmlElement } from "@rgrove/parse-xml";
import { outsideOf } from "./leave_out.ts";
import type { Outside } from "./part.ts";
import { ordinaryParts } from "./restored_parts.ts";

/**
 * What of its host a definition would use beyond the ordinary: devices, files, programs, other sockets. Words
 * and numbers inside a device that is allowed are no ties: libvirt learns new ones with each release.
 *
 * @param today the VM as this host defines it already: what it has there, it may have again
 */
export function hostTies(
  xml: string,
  isOurs: (value: string, path: string) => boolean,
  today: string | undefined,
): readonly Outside[] {
  const has = new Set(
    (today === undefined ? [] : outsideOf(today, ordinaryParts, isOurs)).map(keyOf),
  );
  return outsideOf(xml, ordinaryParts, isOurs).filter((each) =>
    !isWords(each) && !has.has(keyOf(each))
  );
}

function keyOf({ path, value }: Outside): string {
  return `${path} ${value}`;
}

/** Settings in which libvirt names nothing of the host by a word. */
const settings =
  /^domain\/(devices\/[^/@]+|features|cpu|clock|pm|cputune|numatune|memoryBacking)[/@]/;
/** What these hold may be the name of something, also without a slash. */
const naming =
  /^(source|backend|script|downscript|rom|log|table|file|path|dev|dir|socket|host|pool|volume|name|template|tap|vhost|portForward|label|xmlns.*)$/;

function isWords({ path, element, attribute }: Outside): boolean {
  if (!settings.test(path)) return false;
  return attribute === undefined
    ? areWords(element)
    : isWord(attribute, element.attributes[attribute] ?? "") && !naming.test(element.name);
}

function areWords({ name, attributes, children }: XmlElement): boolean {
  return !name.includes(":") && !naming.test(name) &&
    Object.entries(attributes).every(([key, value]) => isWord(key, value)) &&
    children.every((node) =>
      node instanceof XmlElement
        ? areWords(node)
        : "text" in node
        ? isWord("", String(node.text))
        : true
    );
}

function isWord(name: string, value: string): boolean {
  return !naming.test(name) && /^\s*[\w.+-]*\s*$/.test(value);
}
