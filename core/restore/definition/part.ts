import { XmlCdata, XmlElement, XmlText } from "@rgrove/parse-xml";

/** What a value may be: all of it matches, or it names a thing of ours (a file that this run has made). */
export type Values = RegExp | "ours";

/**
 * A part of a definition that is allowed to stand. What it does not name is outside: libvirt's language grows
 * with each release, and what is new there must not be taken for harmless.
 */
export interface Part {
  /** Attributes that say what the element is: with any other value, all of the element is outside. */
  readonly is?: Readonly<Record<string, Values>>;
  /** Attributes that can go alone. */
  readonly attributes?: Readonly<Record<string, Values>>;
  readonly text?: Values;
  /** Several parts of one name are tried in turn, until one can be what an element is. */
  readonly parts?: Readonly<Record<string, Part | readonly Part[]>>;
  /** Children without which nothing of the element makes sense. */
  readonly needs?: readonly string[];
  /** libvirt keeps it for other programs, and does nothing with it. */
  readonly opaque?: true;
}

/** An element, or one attribute of it, that no part allows. */
export interface Outside {
  /** `devices/disk/source@file`. */
  readonly path: string;
  /** The attribute's value, or a short picture of the element. */
  readonly value: string;
  readonly element: XmlElement;
  readonly attribute: string | undefined;
}

/** What is left of an element. */
export interface Kept {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly Kept[];
  readonly text?: string;
}

export interface Judged {
  /** `undefined` when all of the element is outside. */
  readonly kept: Kept | undefined;
  readonly outside: readonly Outside[];
}

/**
 * Tells what of an element a part allows, and names all else.
 *
 * @param isOurs whether a path, or another name, is of this run's making
 */
export function judge(
  element: XmlElement,
  part: Part,
  isOurs: (value: string, path: string) => boolean,
  path = element.name,
): Judged {
  const fits = (values: Values | undefined, value: string, at: string) =>
    values === "ours" ? isOurs(value, at) : values !== undefined && isWhole(values, value);
  const refused = { kept: undefined, outside: [allOf(element, path)] };
  const attributes: Record<string, string> = {};
  const outside: Outside[] = [];
  for (const [name, value] of Object.entries(element.attributes)) {
    const at = `${path}@${name}`;
    if (Object.hasOwn(part.is ?? {}, name)) {
      if (!fits(part.is?.[name], value, at)) return refused;
    } else if (
      !Object.hasOwn(part.attributes ?? {}, name) || !fits(part.attributes?.[name], value, at)
    ) {
      outside.push({ path: at, value, element, attribute: name });
      continue;
    }
    attributes[name] = value;
  }
  const text = ownText(element).trim();
  if (text !== "" && !fits(part.text, text, path)) return refused;
  const children: Kept[] = [];
  for (const node of element.children) {
    if (!(node instanceof XmlElement)) continue;
    const at = `${path}/${node.name}`;
    const inner = Object.hasOwn(part.parts ?? {}, node.name) ? part.parts?.[node.name] : undefined;
    if (inner === undefined) {
      outside.push(allOf(node, at));
      continue;
    }
    const choices = [inner].flat();
    if (choices.some(({ opaque }) => opaque)) continue;
    const judgements = choices.map((choice) => judge(node, choice, isOurs, at));
    const judged = judgements.find(({ kept }) => kept !== undefined) ?? judgements[0];
    outside.push(...judged?.outside ?? []);
    if (judged?.kept !== undefined) children.push(judged.kept);
  }
  const has = (name: string) => children.some((child) => child.name === name);
  if (!(part.needs ?? []).every(has)) return refused;
  return {
    kept: { name: element.name, attributes, children, ...text === "" ? {} : { text } },
    outside,
  };
}

/** The text of an element itself, without that of its children. */
function ownText(element: XmlElement): string {
  return element.children.map((node) =>
    node instanceof XmlText || node instanceof XmlCdata ? node.text : ""
  ).join("");
}

/** Anchored, for a pattern may fit a part of a value first. */
function isWhole(values: RegExp, value: string): boolean {
  const anchored = whole.get(values) ?? new RegExp(`^(?:${values.source})$`, values.flags);
  whole.set(values, anchored);
  return anchored.test(value);
}

const whole = new Map<RegExp, RegExp>();

function allOf(element: XmlElement, path: string): Outside {
  return { path, value: picture(element), element, attribute: undefined };
}

/** What tells two devices of one kind apart: attributes and texts, in order, without the markup. */
function picture(element: XmlElement): string {
  const words = [
    ...Object.entries(element.attributes).map(([name, value]) => `${name}=${value}`),
    ownText(element).trim(),
    ...element.children.flatMap((node) =>
      node instanceof XmlElement ? [`${node.name}(${picture(node)})`] : []
    ),
  ];
  return words.filter((word) => word !== "").join(" ");
}
