import type { XmlElement } from "@rgrove/parse-xml";

/**
 * A span of a text, in UTF-16 units, and what takes its place. Elements must come from a parse of the same
 * text with `includeOffsets`; every byte outside of the spans stays as it is.
 */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/**
 * Applies edits to the text that they were made for. Insertions at one place keep their order; an edit inside
 * a span that another one replaces is void.
 *
 * @throws {RangeError} when two spans overlap in part
 */
export function applyEdits(xml: string, edits: readonly Edit[]): string {
  const isSpan = ({ start, end }: Edit) => Number(end > start);
  const sorted = [...edits].sort((a, b) =>
    a.start - b.start || isSpan(a) - isSpan(b) || b.end - a.end
  );
  const parts: string[] = [];
  let done = 0;
  let open: Edit | undefined;
  for (const edit of sorted) {
    if (open !== undefined && edit.start < open.end) {
      if (edit.end <= open.end) continue;
      throw new RangeError(
        `Edits overlap: ${open.start}-${open.end} and ${edit.start}-${edit.end}`,
      );
    }
    parts.push(xml.slice(done, edit.start), edit.text);
    done = edit.end;
    if (edit.end > edit.start) open = edit;
  }
  return parts.join("") + xml.slice(done);
}

/** Removes an element, and its line when nothing else stands on it. */
export function removal(xml: string, element: XmlElement): Edit {
  const { start, end } = element;
  const lineStart = xml.lastIndexOf("\n", start - 1);
  const nextLine = xml.indexOf("\n", end);
  const lineEnd = nextLine === -1 ? xml.length : nextLine;
  const isAlone = lineStart !== -1 && xml.slice(lineStart, start).trim() === "" &&
    xml.slice(end, lineEnd).trim() === "";
  // A carriage return at the end belongs to the line break that stays.
  const tail = xml[lineEnd - 1] === "\r" ? lineEnd - 1 : lineEnd;
  const head = xml[lineStart - 1] === "\r" ? lineStart - 1 : lineStart;
  return isAlone ? { start: head, end: tail, text: "" } : { start, end, text: "" };
}

/** Puts `text`, which is XML, in the place of an element. */
export function replacement(element: XmlElement, text: string): Edit {
  return { start: element.start, end: element.end, text };
}

/** Gives an attribute a value, adds it after the others, or removes it when `value` is `undefined`. */
export function attributeEdit(
  xml: string,
  element: XmlElement,
  name: string,
  value: string | undefined,
): Edit {
  const tag = readStartTag(xml, element);
  const found = tag.attributes.find((attribute) => attribute.name === name);
  if (found === undefined) {
    const text = value === undefined ? "" : ` ${name}='${escapeXml(value)}'`;
    return { start: tag.attributesEnd, end: tag.attributesEnd, text };
  }
  return value === undefined
    ? { start: found.start, end: found.end, text: "" }
    : { start: found.valueStart, end: found.valueEnd, text: escapeXml(value) };
}

/** Puts a text in the place of all that an element contains. */
export function textEdit(xml: string, element: XmlElement, text: string): Edit {
  const tag = readStartTag(xml, element);
  if (tag.isEmpty) {
    return {
      start: tag.attributesEnd,
      end: tag.end,
      text: `>${escapeXml(text)}</${element.name}>`,
    };
  }
  return { start: tag.end, end: endTagStart(xml, element), text: escapeXml(text) };
}

/** Inserts `text`, which is XML, on a line of its own after an element, with that element's indentation. */
export function insertionAfter(xml: string, element: XmlElement, text: string): Edit {
  const indentation = indentationOf(xml, element);
  return {
    start: element.end,
    end: element.end,
    text: indentation === undefined ? text : indented(text, indentation),
  };
}

/** Inserts `text`, which is XML, as the last child of an element, indented like the others. */
export function insertionInto(xml: string, parent: XmlElement, text: string): Edit {
  const tag = readStartTag(xml, parent);
  const outer = indentationOf(xml, parent) ?? "\n";
  const inner = `${outer}  `;
  if (tag.isEmpty) {
    return {
      start: tag.attributesEnd,
      end: tag.end,
      text: `>${indented(text, inner)}${outer}</${parent.name}>`,
    };
  }
  const close = endTagStart(xml, parent);
  const before = xml.slice(tag.end, close);
  const kept = before.trimEnd().length;
  const last = tag.end + kept;
  const isBroken = before.slice(kept).includes("\n");
  return { start: last, end: last, text: indented(text, inner) + (isBroken ? "" : outer) };
}

/** Escapes a text for use as content and as an attribute's value, whichever quotes are around it. */
export function escapeXml(text: string): string {
  return text.replace(
    /[&<>'"\t\n\r]/g,
    (character) => entities[character] ?? `&#${character.charCodeAt(0)};`,
  );
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  "'": "&apos;",
  '"': "&quot;",
};

interface StartTag {
  readonly attributes: readonly {
    readonly name: string;
    /** With the white space before it. */
    readonly start: number;
    readonly end: number;
    /** Inside the quotes. */
    readonly valueStart: number;
    readonly valueEnd: number;
  }[];
  readonly attributesEnd: number;
  /** After the `>`. */
  readonly end: number;
  readonly isEmpty: boolean;
}

/** Finds the parts of a start tag, which the parser has found well-formed (XML 1.0, section 3.1). */
function readStartTag(xml: string, element: XmlElement): StartTag {
  const attributes: StartTag["attributes"][number][] = [];
  const pattern = /\s+([^\s=/>]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/y;
  let attributesEnd = element.start + 1 + element.name.length;
  for (;;) {
    pattern.lastIndex = attributesEnd;
    const match = pattern.exec(xml);
    if (match?.[1] === undefined) break;
    const valueEnd = pattern.lastIndex - 1;
    attributes.push({
      name: match[1],
      start: match.index,
      end: pattern.lastIndex,
      valueStart: valueEnd - (match[2] ?? match[3] ?? "").length,
      valueEnd,
    });
    attributesEnd = pattern.lastIndex;
  }
  const end = xml.indexOf(">", attributesEnd) + 1;
  return { attributes, attributesEnd, end, isEmpty: xml[end - 2] === "/" };
}

function endTagStart(xml: string, element: XmlElement): number {
  return xml.lastIndexOf("</", element.end - 1);
}

/** Line break and white space before an element; `undefined` when something else stands before it. */
function indentationOf(xml: string, element: XmlElement): string | undefined {
  return /\n[ \t]*$/.exec(xml.slice(0, element.start))?.[0];
}

function indented(text: string, indentation: string): string {
  return text.split("\n").map((line) => indentation + line).join("");
}
