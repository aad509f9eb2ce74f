import { quote } from "./quote.ts";

/** A text is quoted; `syntax` is already in Bacula's words: `Backup`, `50G`, `all, !skipped`. */
export type Value = string | number | boolean | { readonly syntax: string };

/** A line of a resource: a directive, the include of a file, or a resource inside. */
export type Line =
  | readonly [directive: string, value: Value]
  | { readonly include: string }
  | Resource;

/** A resource of Bacula's configuration, or one inside another: `Include`, `RunScript`. */
export interface Resource {
  readonly kind: string;
  readonly lines: readonly Line[];
}

/** Words that Bacula knows; never for a text that came from outside. */
export function syntax(words: string): Value {
  return { syntax: words };
}

/** A list of texts, as `CommandACL` takes it, or the recipients of mail. */
export function list(texts: readonly string[]): { readonly syntax: string } {
  return { syntax: texts.map(quote).join(", ") };
}

/** The text of a configuration file: its resources, below a line that says where they come from. */
export function printResources(resources: readonly Resource[]): string {
  const head = "# Rendered by vmb from site.yaml and vm-list.yaml. Change those, not this.\n";
  return [head, ...resources.map((resource) => print(resource, ""))].join("\n");
}

function print({ kind, lines }: Resource, indent: string): string {
  const body = lines.map((line) => printLine(line, `${indent}  `)).join("");
  return `${indent}${kind} {\n${body}${indent}}\n`;
}

function printLine(line: Line, indent: string): string {
  if ("kind" in line) return print(line, indent);
  if ("include" in line) return `${indent}@${line.include}\n`;
  const [directive, value] = line;
  return `${indent}${directive} = ${printValue(value)}\n`;
}

function printValue(value: Value): string {
  switch (typeof value) {
    case "string":
      return quote(value);
    case "number":
      if (!Number.isSafeInteger(value) || value < 0) throw new Error(`Cannot write ${value}`);
      return String(value);
    case "boolean":
      return value ? "yes" : "no";
    case "object":
      return value.syntax;
  }
}
