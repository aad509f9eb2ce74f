import { parseXml, XmlElement } from "@rgrove/parse-xml";

/** A place of a definition that takes a value of anyone's choice: a path, a name, an address, a number. */
export interface SchemaPlace {
  /** `domain/devices/disk/source@file`; without `@` it is the text of an element. */
  readonly place: string;
  /** What the schema calls the value: `absFilePath`, `unsignedInt`, `text`. */
  readonly type: string;
}

export interface Schema {
  /** Of the libvirt that it belongs to. */
  readonly version: string;
  readonly places: readonly SchemaPlace[];
  /** Attributes that say what an element is, by place, with the words that the schema knows. */
  readonly kinds: ReadonlyMap<string, readonly string[]>;
}

const kindNames = ["type", "model", "device", "mode", "backend", "protocol", "transport"];

type Defines = Map<string, XmlElement[]>;

const prefixes: Readonly<Record<string, string>> = {
  "http://libvirt.org/schemas/domain/qemu/1.0": "qemu:",
  "http://libvirt.org/schemas/domain/lxc/1.0": "lxc:",
  "http://libvirt.org/schemas/domain/xen/1.0": "xen:",
  "http://libvirt.org/schemas/domain/bhyve/1.0": "bhyve:",
  "http://libvirt.org/schemas/domain/vmware/1.0": "vmware:",
};

/**
 * Reads libvirt's RELAX NG schema of a domain (`domain.rng`) and lists every place in it whose value is not
 * one of a few words. An element inside itself (`backingStore`) is followed once.
 *
 * @param folder of the schemas: `/usr/share/libvirt/schemas`
 */
export async function readSchema(folder: string, version: string): Promise<Schema> {
  const defines: Defines = new Map();
  await load(folder, "domain.rng", defines);
  const free = new Map<string, Set<string>>();
  const words = new Map<string, Set<string>>();
  const seen = new Set<string>();
  const note = (place: string, leaf: { words: readonly string[]; types: readonly string[] }) => {
    add(words, place, leaf.words);
    add(free, place, leaf.types);
  };
  const visit = (pattern: XmlElement, path: string): void => {
    switch (pattern.name) {
      case "element":
        for (const name of namesOf(pattern)) {
          const inner = path === "" ? name : `${path}/${name}`;
          if (path.split("/").filter((part) => part === name).length > 1) continue;
          for (const child of elements(pattern)) if (!isName(child)) visit(child, inner);
        }
        return;
      case "attribute":
        for (const name of namesOf(pattern)) {
          note(
            `${path}@${name}`,
            leafOf(elements(pattern).filter((child) => !isName(child)), defines),
          );
        }
        return;
      case "ref": {
        const key = `${pattern.attributes["name"]} ${path}`;
        if (seen.has(key)) return;
        seen.add(key);
        for (const body of defines.get(pattern.attributes["name"] ?? "") ?? []) visit(body, path);
        return;
      }
      case "text":
      case "data":
      case "value":
      case "list":
        note(path, leafOf([pattern], defines));
        return;
      default:
        for (const child of elements(pattern)) visit(child, path);
    }
  };
  for (const start of defines.get("") ?? []) visit(start, "");
  const places = [...free].filter(([, types]) => types.size > 0)
    .map(([place, types]) => ({ place, type: [...types].sort().join(" ") }));
  const kinds = [...words].filter(([place, values]) =>
    values.size > 0 && kindNames.includes(place.split("@")[1] ?? "")
  ).map(([place, values]) => [place, [...values].sort()] as const);
  return {
    version,
    places: places.sort((a, b) => a.place < b.place ? -1 : 1),
    kinds: new Map(kinds.sort(([a], [b]) => a < b ? -1 : 1)),
  };
}

/** One line for each place: `place<TAB>type`, then `place<TAB>=word|word` for kinds. */
export function writeSchema({ version, places, kinds }: Schema): string {
  return [
    `# Places of a libvirt domain that take a value of anyone's choice, derived from the schema of`,
    `# libvirt ${version} by schema_places.ts; and attributes that say what an element is.`,
    ...places.map(({ place, type }) => `${place}\t${type}`),
    ...[...kinds].map(([place, values]) => `${place}\t=${values.join("|")}`),
    "",
  ].join("\n");
}

export function parseSchema(text: string): Schema {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.split("\t") as [string, string]);
  return {
    version: /^# libvirt (\S+)/m.exec(text)?.[1] ?? "",
    places: lines.filter(([, value]) => !value.startsWith("="))
      .map(([place, type]) => ({ place, type })),
    kinds: new Map(
      lines.filter(([, value]) => value.startsWith("="))
        .map(([place, value]) => [place, value.slice(1).split("|")]),
    ),
  };
}

function leafOf(
  patterns: readonly XmlElement[],
  defines: Defines,
  seen: readonly string[] = [],
): { words: readonly string[]; types: readonly string[] } {
  const words: string[] = [];
  const types: string[] = [];
  if (patterns.length === 0) types.push("text");
  for (const pattern of patterns) {
    const name = pattern.attributes["name"] ?? "";
    if (pattern.name === "value") words.push(pattern.text.trim());
    else if (pattern.name === "text") types.push("text");
    else if (pattern.name === "data") types.push(pattern.attributes["type"] ?? "data");
    else if (pattern.name === "ref") {
      if (seen.includes(name)) continue;
      const inner = leafOf(defines.get(name) ?? [], defines, [...seen, name]);
      words.push(...inner.words);
      if (inner.types.length > 0) types.push(name);
    } else if (elements(pattern).length > 0) {
      const inner = leafOf(elements(pattern), defines, seen);
      words.push(...inner.words);
      types.push(...inner.types);
    }
  }
  return { words, types };
}

async function load(folder: string, file: string, defines: Defines): Promise<void> {
  const { root } = parseXml(await Deno.readTextFile(`${folder}/${file}`));
  if (root instanceof XmlElement) await gather(root, folder, defines);
}

async function gather(grammar: XmlElement, folder: string, defines: Defines): Promise<void> {
  for (const node of elements(grammar)) {
    if (node.name === "include") {
      await load(folder, node.attributes["href"] ?? "", defines);
      for (const own of elements(node)) {
        if (own.name === "define") defines.delete(own.attributes["name"] ?? "");
      }
      await gather(node, folder, defines);
    } else if (node.name === "define" || node.name === "start") {
      const name = node.attributes["name"] ?? "";
      defines.set(name, [...defines.get(name) ?? [], ...elements(node)]);
    } else if (node.name === "div") await gather(node, folder, defines);
  }
}

function namesOf(pattern: XmlElement): readonly string[] {
  const prefix = prefixes[pattern.attributes["ns"] ?? ""] ?? "";
  const own = pattern.attributes["name"];
  if (own !== undefined) return [`${prefix}${own}`];
  const named = elements(pattern).flatMap((child) =>
    child.name === "name"
      ? [child.text.trim()]
      : child.name === "choice"
      ? elements(child).filter(({ name }) => name === "name").map((each) => each.text.trim())
      : []
  );
  return named.length > 0 ? named.map((name) => `${prefix}${name}`) : ["any"];
}

function isName({ name }: XmlElement): boolean {
  return ["name", "anyName", "nsName"].includes(name);
}

function elements(parent: XmlElement): readonly XmlElement[] {
  return parent.children.filter((node): node is XmlElement => node instanceof XmlElement);
}

function add(map: Map<string, Set<string>>, key: string, values: readonly string[]): void {
  const set = map.get(key) ?? new Set();
  map.set(key, set);
  for (const value of values) set.add(value);
}
