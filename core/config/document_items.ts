import type { YamlPath } from "./yaml_document.ts";

/** A value of a document that no schema has looked at yet. */
export interface Item {
  readonly value: unknown;
  readonly path: YamlPath;
}

/** A text of a document, and where it stands. */
export interface Named {
  readonly name: string;
  readonly path: YamlPath;
}

/** Items of the list at `steps` below `data`; none when there is no such list. */
export function items(
  data: unknown,
  steps: readonly string[],
  base: YamlPath = [],
): readonly Item[] {
  let value = data;
  for (const step of steps) value = property(value, step);
  if (!Array.isArray(value)) return [];
  return value.map((item, index) => ({ value: item, path: [...base, ...steps, index] }));
}

/** The texts that the items have at `key`. */
export function named(list: readonly Item[], key: string): readonly Named[] {
  return list.flatMap(({ value, path }) => {
    const name = property(value, key);
    return typeof name === "string" ? [{ name, path: [...path, key] }] : [];
  });
}

/** Those whose name an earlier one has, each with the first that has it. */
export function repeats(
  list: readonly Named[],
): readonly (readonly [again: Named, first: Named])[] {
  const firsts = new Map<string, Named>();
  return list.flatMap((each) => {
    const first = firsts.get(each.name);
    if (first !== undefined) return [[each, first] as const];
    firsts.set(each.name, each);
    return [];
  });
}

/** The value that a mapping has at `key`; `undefined` for anything else. */
export function property(value: unknown, key: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
  return (value as Record<string, unknown>)[key];
}
