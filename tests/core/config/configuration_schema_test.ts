import assert from "node:assert/strict";
import { configurationSchema } from "../../../core/config/configuration_schema.ts";
import { settingKeys } from "../../../core/config/settings.ts";

interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly pattern?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
}

async function schemas(): Promise<Readonly<Record<string, Schema>>> {
  return await configurationSchema() as Record<string, Schema>;
}

Deno.test("configurationSchema describes every key of all files", async () => {
  const { "vm-backup.conf": settings, "vm-list.yaml": list, "site.yaml": site } = await schemas();
  assert.deepEqual(Object.keys(settings?.properties ?? {}), [...settingKeys]);
  const vm = list?.properties?.["vms"]?.anyOf?.[0]?.items;
  assert.deepEqual(vm?.required, ["name", "hypervisor"]);
  assert.deepEqual(
    site?.required,
    ["name", "control", "time_zone", "cycle", "nfs", "hypervisors", "images"],
  );
  const { control, cycle, nfs, ports } = site?.properties ?? {};
  for (const schema of [settings, list, vm, site, control, cycle, nfs, ports]) {
    assert.equal(schema?.additionalProperties, false);
    for (const [key, property] of Object.entries(schema?.properties ?? {})) {
      assert.match(property.description ?? "", /^[A-Z].*[^.]$/, key);
    }
  }
});

Deno.test("configurationSchema gives defaults that its own patterns accept", async () => {
  const { "vm-backup.conf": settings } = await schemas();
  for (const [key, { pattern, default: value }] of Object.entries(settings?.properties ?? {})) {
    if (pattern !== undefined) assert.match(String(value), new RegExp(pattern), key);
  }
});

Deno.test("loadConfiguration imports zod and yaml only when it needs them", async () => {
  const root = import.meta.resolve("../../../core/config/configuration.ts");
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", root],
  }).output();
  const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as {
    modules: { specifier: string; dependencies?: Dependency[] }[];
  };
  const dependenciesOf = new Map(
    modules.map(({ specifier, dependencies = [] }) => [specifier, dependencies]),
  );
  const loaded = new Set([root]);
  const later = new Set<string>();
  for (const module of loaded) {
    for (const { specifier, isDynamic, code } of dependenciesOf.get(module) ?? []) {
      if (code?.specifier !== undefined) {
        (isDynamic ? later : loaded).add(code.specifier);
      }
      assert.ok(isDynamic || code === undefined || !["zod", "yaml"].includes(specifier), module);
    }
  }
  assert.ok([...later].some((specifier) => specifier.endsWith("/yaml_document.ts")));
});

interface Dependency {
  readonly specifier: string;
  readonly isDynamic?: boolean;
  /** Absent when only types are imported. */
  readonly code?: { readonly specifier?: string };
}
