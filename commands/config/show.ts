import { newCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { table } from "../output/table.ts";

export function showCommand(context: CommandContext) {
  return newCommand("show", {
    summary: "Show the settings that are in force; secrets are hidden",
    examples: ["vmb config show", "vmb config show --origin"],
  })
    .option("--origin", "show where each value comes from")
    .option("--json", "print them as JSON")
    .action(async ({ origin, json }) => {
      const configuration = await context.configuration();
      const { showSettings } = await import("../../core/config/show_settings.ts");
      const settings = showSettings(configuration);
      const { vms, folder } = configuration;
      context.result(json, { folder, settings, vms }, () =>
        table([
          ["KEY", "VALUE", ...(origin ? ["ORIGIN"] : [])],
          ...settings.map((row) => [row.key, row.value, ...(origin ? [row.origin] : [])]),
        ]));
    });
}
