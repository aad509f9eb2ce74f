import { newCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";

export function schemaCommand(context: CommandContext) {
  return newCommand("schema", {
    summary: "Print the JSON Schema of the configuration files",
    examples: ["vmb config schema > vmb.schema.json"],
  })
    .action(async () => {
      const { configurationSchema } = await import("../../core/config/configuration_schema.ts");
      context.result(true, await configurationSchema(), () => "");
    });
}
