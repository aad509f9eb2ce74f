import type { ConfigProblem } from "../error.ts";

/** A line `KEY=value`, with the places of its parts, counted from 1. */
export interface Assignment {
  readonly key: string;
  readonly value: string;
  readonly line: number;
  readonly keyColumn: number;
  readonly valueColumn: number;
}

export interface KeyValueText {
  readonly assignments: readonly Assignment[];
  readonly problems: readonly ConfigProblem[];
}

/**
 * Reads lines `KEY=value`.
 *
 * Blank lines and lines that start with `#` are skipped; white space around key and value is dropped, a
 * `#` after white space ends an unquoted value. A value may stand in single or double quotes, inside
 * which everything is literal. Nothing is expanded: `$`, backslash and backtick stand for themselves.
 * CRLF line ends are taken as LF. No message repeats a value, because it may be a secret.
 *
 * @param source path of the file, as problems name it
 */
export function parseKeyValue(text: string, source: string): KeyValueText {
  const assignments: Assignment[] = [];
  const problems: ConfigProblem[] = [];
  const firstLines = new Map<string, number>();
  for (const [index, full] of text.split("\n").entries()) {
    const line = index + 1;
    const parsed = parseLine(full.endsWith("\r") ? full.slice(0, -1) : full);
    if (parsed === undefined) continue;
    if ("message" in parsed) {
      problems.push({ source, line, ...parsed });
      continue;
    }
    const first = firstLines.get(parsed.key);
    if (first !== undefined) {
      problems.push({
        source,
        line,
        column: parsed.keyColumn,
        message: `Duplicate key ${parsed.key}: already set on line ${first}`,
        hint: "Remove one of the two lines",
      });
      continue;
    }
    firstLines.set(parsed.key, line);
    assignments.push({ ...parsed, line });
  }
  return { assignments, problems };
}

type Fault = Pick<ConfigProblem, "column" | "message" | "hint">;

function parseLine(line: string): Omit<Assignment, "line"> | Fault | undefined {
  const content = line.trim();
  if (content === "" || content.startsWith("#")) return undefined;
  const keyColumn = line.indexOf(content) + 1;
  // deno-lint-ignore no-control-regex
  const control = /[\u0000-\u0008\u000a-\u001f\u007f]/.exec(line);
  if (control !== null) {
    const code = control[0].charCodeAt(0).toString(16).padStart(4, "0");
    return { column: control.index + 1, message: `Cannot use the control character U+${code}` };
  }
  const equals = line.indexOf("=");
  const key = equals < 0 ? "" : line.slice(0, equals).trim();
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(key)) {
    return {
      column: keyColumn,
      message: "Cannot read the line: expected KEY=value",
      hint: content.startsWith("export ")
        ? 'Remove the word "export"'
        : "Start a comment with #, and write a key with letters, digits and _ only",
    };
  }
  const value = parseValue(line.slice(equals + 1), equals + 2);
  return "message" in value ? value : { key, keyColumn, ...value };
}

/** @param column of the first character of `rest` */
function parseValue(
  rest: string,
  column: number,
): { readonly value: string; readonly valueColumn: number } | Fault {
  const indent = rest.length - rest.trimStart().length;
  const quote = rest[indent];
  if (quote !== '"' && quote !== "'") {
    const value = rest.replace(/(?<=\s)#.*$/, "").trim();
    return { value, valueColumn: column + (value === "" ? 0 : indent) };
  }
  const end = rest.indexOf(quote, indent + 1);
  if (end < 0) {
    return {
      column: column + indent,
      message: `Missing closing quote ${quote}`,
      hint: "A value ends on its own line",
    };
  }
  const tail = rest.slice(end + 1);
  if (!/^(\s+#.*|\s*)$/.test(tail)) {
    return {
      column: column + end + 1,
      message:
        `Cannot read the text after the closing quote ${quote}: expected the end of the line`,
      hint: "Use the other kind of quotes around a value that contains quotes",
    };
  }
  return { value: rest.slice(indent + 1, end), valueColumn: column + indent };
}
