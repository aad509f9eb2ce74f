import { escapeXml } from "../../libvirt/xml_edit.ts";
import type { Kept } from "./part.ts";

/** Makes an element of ours. */
export function element(
  name: string,
  attributes: Readonly<Record<string, string | undefined>> = {},
  ...content: readonly (Kept | string)[]
): Kept {
  const text = content.filter((each) => typeof each === "string").join("");
  return {
    name,
    attributes: Object.fromEntries(
      Object.entries(attributes).filter((pair): pair is [string, string] => pair[1] !== undefined),
    ),
    children: content.filter((each) => typeof each !== "string"),
    ...text === "" ? {} : { text },
  };
}

/** Writes an element and what is in it as XML, one on a line. */
export function writeKept({ name, attributes, children, text }: Kept, indent = ""): string {
  const start = Object.entries(attributes).map(([key, value]) => ` ${key}='${escapeXml(value)}'`)
    .join("");
  if (children.length === 0) {
    return text === undefined
      ? `${indent}<${name}${start}/>\n`
      : `${indent}<${name}${start}>${escapeXml(text)}</${name}>\n`;
  }
  const inner = children.map((child) => writeKept(child, `${indent}  `)).join("");
  const words = text === undefined ? "" : `${indent}  ${escapeXml(text)}\n`;
  return `${indent}<${name}${start}>\n${words}${inner}${indent}</${name}>\n`;
}
