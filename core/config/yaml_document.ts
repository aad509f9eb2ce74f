import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
  type YAMLError,
  type YAMLMap,
} from "yaml";
import type { ConfigProblem } from "../error.ts";
import { quoted } from "../format/quoted.ts";

/** Keys and indexes from the top of a document down to a value. */
export type YamlPath = readonly PropertyKey[];

/** A place in a text, counted from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

export interface YamlText {
  /** Plain data; `undefined` unless the text is YAML. An empty text is `null`. */
  readonly data: unknown;
  readonly problems: readonly ConfigProblem[];
  /**
   * Place of the value at `path`, or of its key; for what is not there, of the closest thing around it.
   */
  place(path: YamlPath, part: "key" | "value"): Place;
}

/** What aliases may multiply to; a document that names itself grows without end. */
const aliasLimit = 10_000;

/**
 * Reads one YAML 1.2 document with anchors, aliases and merge keys (`<<`). All syntax errors are
 * reported, the first of each line.
 *
 * @param source path of the file, as problems name it
 */
export function parseYaml(text: string, source: string): YamlText {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    merge: true,
    // What is worth a warning is in the document's warnings; the library would print it besides.
    logLevel: "error",
  });

  function placeAt(offset: number): Place {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  }

  const aliases = document.errors.length > 0
    ? { targets: new Map(), unknown: [] }
    : resolveAliases(document);

  function place(path: YamlPath, part: "key" | "value"): Place {
    return placeAt(offsetOf(document.contents, aliases.targets, path, part));
  }

  const syntax = [...document.errors, ...document.warnings].map((error) => ({
    source,
    ...placeAt(error.pos[0]),
    ...syntaxMessage(error, text),
  }));
  if (syntax.length > 0) return { data: undefined, problems: firstOfEachLine(syntax), place };

  const unknown = aliases.unknown.map((alias) => ({
    source,
    ...placeAt(alias.range?.[0] ?? 0),
    message: `Unknown alias ${quoted(`*${alias.source}`)}`,
    hint: `Set the anchor &${alias.source} before it, or put the value in quotes`,
  }));
  if (unknown.length > 0) return { data: undefined, problems: unknown, place };

  try {
    return { data: document.toJS({ maxAliasCount: aliasLimit }), problems: [], place };
  } catch {
    // Only the limit on aliases and the depth of the stack are left to fail.
    const problem = {
      source,
      ...placeAt(0),
      message: "Cannot expand the document: aliases or nesting without end",
      hint: "Write the values out instead of using aliases (*name)",
    };
    return { data: undefined, problems: [problem], place };
  }
}

function syntaxMessage(
  error: YAMLError,
  text: string,
): { readonly message: string; readonly hint?: string } {
  switch (error.code) {
    case "DUPLICATE_KEY": {
      const key = /^(?:"[^"]*"|'[^']*'|[^:\s]+)/.exec(text.slice(error.pos[0]))?.[0] ?? "";
      return {
        message: `Duplicate key ${quoted(key.replace(/^(["'])(.*)\1$/, "$2"))}`,
        hint: "Remove one of the two, or start a new list item with -",
      };
    }
    case "TAB_AS_INDENT":
      return { message: "Cannot use a tab as indentation", hint: "Indent with spaces" };
    case "MULTIPLE_DOCS":
      return { message: "Cannot use a second document", hint: "Remove the line ---" };
    case "RESOURCE_EXHAUSTION":
      return { message: "Cannot read values nested so deep" };
    case "BLOCK_AS_IMPLICIT_KEY":
      return {
        message: 'Cannot read a second ":" on one line',
        hint: 'Put a value that contains ": " in quotes, and each key on a line of its own',
      };
    case "BAD_SCALAR_START":
      return {
        message: `Cannot start a value with ${quoted(text[error.pos[0]] ?? "")}`,
        hint: "Put the value in quotes",
      };
    default:
      return { message: `Cannot read the YAML: ${error.message.split("\n")[0]}` };
  }
}

function firstOfEachLine(
  problems: readonly (ConfigProblem & Place)[],
): readonly ConfigProblem[] {
  const seen = new Set<number>();
  return problems.toSorted((a, b) => a.line - b.line || a.column - b.column)
    .filter(({ line }) => !seen.has(line) && seen.add(line));
}

type Targets = ReadonlyMap<Alias, Node>;

/** Resolves all aliases in one pass; the library walks the whole document for each. */
function resolveAliases(
  document: Document,
): { readonly targets: Targets; readonly unknown: readonly Alias[] } {
  const anchors = new Map<string, Node>();
  const targets = new Map<Alias, Node>();
  const unknown: Alias[] = [];
  visit(document, (_, node) => {
    if (isAlias(node)) {
      const target = anchors.get(node.source);
      if (target === undefined) unknown.push(node);
      else targets.set(node, target);
    } else if (isNode(node) && "anchor" in node && node.anchor !== undefined) {
      anchors.set(node.anchor, node);
    }
  });
  return { targets, unknown };
}

function offsetOf(
  root: Node | null,
  targets: Targets,
  path: YamlPath,
  part: "key" | "value",
): number {
  let node: Node | null | undefined = root;
  let offset = root?.range?.[0] ?? 0;
  for (const [index, step] of path.entries()) {
    const found = child(targets, isAlias(node) ? targets.get(node) : node, step);
    if (found === undefined) break;
    node = found.value;
    const asked = part === "key" && index === path.length - 1 ? found.key : found.value;
    offset = (asked ?? found.key)?.range?.[0] ?? offset;
  }
  return offset;
}

const mergeKey = "<<";

interface Child {
  readonly key: Node | null;
  readonly value: Node | null;
}

function child(
  targets: Targets,
  parent: Node | null | undefined,
  step: PropertyKey,
): Child | undefined {
  if (isSeq<Node>(parent)) {
    const value = parent.items[Number(step)];
    return value === undefined ? undefined : { key: null, value };
  }
  if (!isMap(parent)) return undefined;
  const own = pairNamed(parent, String(step));
  if (own !== undefined) return own;
  // A merged mapping is looked into one level deep; below that the place of the VM has to do.
  const merged = pairNamed(parent, mergeKey)?.value;
  const source = isAlias(merged) ? targets.get(merged) : merged;
  return isMap(source) ? pairNamed(source, String(step)) : undefined;
}

function pairNamed(
  map: YAMLMap,
  name: string,
): Child | undefined {
  const pair = map.items.find(({ key }) =>
    isScalar(key) && (key.source === name || String(key.value) === name)
  );
  if (pair === undefined) return undefined;
  return {
    key: isNode(pair.key) ? pair.key : null,
    value: isNode(pair.value) ? pair.value : null,
  };
}
