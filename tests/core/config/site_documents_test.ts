import assert from "node:assert/strict";
import { configurationSchema } from "../../../core/config/configuration_schema.ts";
import { parseSite } from "../../../core/config/site.ts";
import { siteSchema } from "../../../core/config/site_schema.ts";
import { smallSite } from "./repository_folder.ts";

interface JsonSchema {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
}

/** A key that has a value of its own, as the guide names it: `hypervisors[].fd_port`. */
interface Key {
  readonly path: string;
  readonly description: string;
  /** YAML; or in words, that there is none. */
  readonly fallback: { readonly value: unknown } | { readonly words: string };
}

const zod = await import("zod");
const { parse: parseYaml } = await import("yaml");
const defaults = siteSchema(zod).parse(parseYaml(smallSite));
const schemas = await configurationSchema() as Readonly<Record<string, JsonSchema>>;
const keys = keysBelow(schemas["site.yaml"] ?? {}, "", { value: defaults, optional: undefined });

function keysBelow(
  schema: JsonSchema,
  path: string,
  given: { readonly value: unknown; readonly optional: string | undefined },
): readonly Key[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, property]): readonly Key[] => {
    const here = path === "" ? name : `${path}.${name}`;
    const described = property.anyOf?.[0] ?? property;
    const value = (given.value as Record<string, unknown> | undefined)?.[name];
    const required = schema.required?.includes(name) ?? false;
    const optional = property.anyOf === undefined ? given.optional : here;
    if (described.properties !== undefined) return keysBelow(described, here, { value, optional });
    if (described.items?.properties !== undefined) {
      const [item] = value as readonly unknown[];
      return keysBelow(described.items, `${here}[]`, { value: item, optional });
    }
    const fallback = required
      ? { words: given.optional === undefined ? "required" : `required in \`${given.optional}\`` }
      : property.anyOf !== undefined || value === undefined
      ? { words: "none" }
      : { value };
    const { description = "" } = property;
    assert.notEqual(description, "", `${here} has a description`);
    return [{ path: here, description, fallback }];
  });
}

function read(path: string): Promise<string> {
  return Deno.readTextFile(new URL(`../../../${path}`, import.meta.url));
}

/** The text within backticks; `undefined` for a cell that is in words. */
function codeOf(cell: string): string | undefined {
  return /^`([^`]*)`$/.exec(cell)?.[1];
}

Deno.test("docs/09-site.md has every key of site.yaml with its meaning, its default and an example", async () => {
  const rows = (await read("docs/09-site.md")).split("\n").filter((line) => line.startsWith("| `"))
    .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
  const shown = rows.map(([path = "", meaning = "", fallback = ""]) => {
    const code = codeOf(fallback);
    const words = { words: fallback };
    const value = code === undefined ? words : { value: parseYaml(code) };
    return { path: codeOf(path), description: meaning, fallback: value };
  });
  assert.deepEqual(shown, keys);
});

Deno.test("docs/09-site.md has examples that make a whole site.yaml together", async () => {
  const guide = await read("docs/09-site.md");
  const data = {};
  for (const [, path = "", example = ""] of guide.matchAll(/^\| `([^`]+)`.*\| `([^`]+)` +\|$/gm)) {
    setAt(data, path.replaceAll("[]", ".0").split("."), parseYaml(example));
  }
  const { site, problems } = await parseSite(JSON.stringify(data), "the examples");
  assert.deepEqual(problems, []);
  assert.equal(site?.hypervisors.length, 1);
  assert.notEqual(site?.mail, undefined);
});

Deno.test("templates/site/site.yaml shows every key, and the defaults of those that it leaves out", async () => {
  const template = await read("templates/site/site.yaml");
  const names = new Set(keys.flatMap(({ path }) => path.split(/\[\]\.|\./)));
  const whole = template.replace(
    /^( *)# ( *)([a-z_]+):/gm,
    (line, indent, more, name) => names.has(name) ? `${indent}${more}${name}:` : line,
  );
  const data = parseYaml(whole);
  for (const { path } of keys) {
    assert.notEqual(at(data, path.replaceAll("[]", ".0").split(".")), undefined, path);
  }
  const loaded = await parseSite(whole, "site.yaml");
  assert.deepEqual(loaded.problems, []);
  // These have no default; what the template shows of them is an example.
  const expected = {
    ...(await parseSite(template, "site.yaml")).site,
    mail: loaded.site?.mail,
    slackChannel: loaded.site?.slackChannel,
    hypervisors: loaded.site?.hypervisors,
    nfs: loaded.site?.nfs,
  };
  assert.deepEqual(loaded.site, expected);
  const { id, ...nfs } = loaded.site?.nfs ?? {};
  assert.deepEqual([id?.length, nfs], [32, (await parseSite(template, "site.yaml")).site?.nfs]);
});

function at(data: unknown, steps: readonly string[]): unknown {
  return steps.reduce<unknown>(
    (value, step) => (value as Record<string, unknown> | undefined)?.[step],
    data,
  );
}

/** A step that is a number is the place in a list. */
function setAt(data: unknown, [step = "", ...rest]: readonly string[], value: unknown): void {
  const there = data as Record<string, unknown>;
  if (rest.length === 0) {
    there[step] = value;
    return;
  }
  there[step] ??= /^\d+$/.test(rest[0] ?? "") ? [] : {};
  setAt(there[step], rest, value);
}
