import { settingsFile, vmListFile } from "./configuration.ts";
import { siteFile } from "./inventory.ts";
import { settingTable } from "./settings.ts";
import { siteSchema } from "./site_schema.ts";
import { vmListSchema } from "./vm_list_schema.ts";

/** Makes the JSON Schemas of all configuration files, by file name, for editors and other tools. */
export async function configurationSchema(): Promise<object> {
  const zod = await import("zod");
  const { z } = zod;
  const settings = z.strictObject(Object.fromEntries(
    Object.values(settingTable).map(({ key, type, fallback, description }) => {
      const text = type.choices !== undefined
        ? z.enum(type.choices)
        : type.pattern !== undefined
        ? z.string().regex(type.pattern)
        : z.string();
      const withDefault = fallback === undefined ? text.optional() : text.default(fallback);
      return [key, withDefault.describe(description)];
    }),
  ));
  return {
    [settingsFile]: z.toJSONSchema(settings, { io: "input" }),
    [siteFile]: z.toJSONSchema(siteSchema(zod), { io: "input" }),
    [vmListFile]: z.toJSONSchema(vmListSchema(zod), { io: "input" }),
  };
}
