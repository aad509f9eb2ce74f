import type { core } from "zod";
import type { ConfigProblem } from "../error.ts";
import { quoted } from "../format/quoted.ts";
import { closest } from "./closest.ts";
import type { YamlPath, YamlText } from "./yaml_document.ts";

type Issue = core.$ZodIssue;

/**
 * Turns what a schema found into problems with their places.
 *
 * @param issues from a schema whose messages follow the rule of `schemaParts`
 * @param source path of the file, as problems name it
 */
export function schemaProblems(
  issues: readonly Issue[],
  document: YamlText,
  source: string,
): readonly ConfigProblem[] {
  return issues.flatMap((issue) => issueProblems(issue, [], document, source));
}

function issueProblems(
  issue: Issue,
  base: YamlPath,
  document: YamlText,
  source: string,
): readonly ConfigProblem[] {
  const path = [...base, ...issue.path];
  const value = valueAt(document.data, path);
  if (issue.code === "unrecognized_keys") {
    const known = issue.message.split(", ");
    return issue.keys.map((key) => ({
      source,
      ...document.place([...path, key], "key"),
      message: `Unknown key ${quoted(key)}`,
      hint: didYouMean(key, known),
    }));
  }
  if (issue.code === "invalid_union") {
    // The writer meant the form that has the kind of the value; a list when it is neither.
    const meant = issue.errors.find((issues) =>
      !issues.some(({ code, path }) =>
        code === "invalid_type" && path.length === 0
      )
    ) ?? issue.errors[0] ?? [];
    return meant.flatMap((each) => issueProblems(each, path, document, source));
  }
  const [reason = "", hint] = issue.message.split("\n");
  if (value === undefined) {
    return [{
      source,
      ...document.place(path.slice(0, -1), "value"),
      message: `Missing key ${quoted(String(path.at(-1)))}`,
      hint,
    }];
  }
  return [{
    source,
    ...document.place(path, "value"),
    message: `Cannot use ${shown(value, issue)} as ${label(path)}: ${reason}`,
    hint: hint ?? quotesHint(issue, value),
  }];
}

function didYouMean(key: string, known: readonly string[]): string {
  const near = closest(key, known);
  return near === undefined ? `Known keys: ${known.join(", ")}` : `Did you mean "${near}"?`;
}

/** YAML tells `10` from `"10"`; who writes it seldom does. */
function quotesHint(issue: Issue, value: unknown): string | undefined {
  if (issue.code !== "invalid_type") return undefined;
  if (issue.expected === "string") {
    return ["number", "boolean"].includes(typeof value) ? "Put it in quotes" : undefined;
  }
  return ["int", "number"].includes(issue.expected) && typeof value === "string" &&
      /^\d+$/.test(value)
    ? "Remove the quotes"
    : undefined;
}

/** The value as a reader recognizes it in the file. */
function shown(value: unknown, issue: Issue): string {
  if (value === null) return "an empty value";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (typeof value === "object") return "a mapping";
  if (typeof value !== "string") return `${typeof value} ${value}`;
  // A command written as one text may hold a password; its place says enough.
  const wantsMore = issue.code === "invalid_type" && ["array", "object"].includes(issue.expected);
  return wantsMore ? "a text" : quoted(value, 60);
}

/** `method`, or `item 2 of include`. */
function label(path: YamlPath): string {
  const items: string[] = [];
  for (const step of path.toReversed()) {
    if (typeof step !== "number") return [...items, String(step)].join(" of ");
    items.push(`item ${step + 1}`);
  }
  return "the whole file";
}

function valueAt(data: unknown, path: YamlPath): unknown {
  let value = data;
  for (const step of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, step)) {
      return undefined;
    }
    value = (value as Record<PropertyKey, unknown>)[step];
  }
  return value;
}
