import { newCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";

export function validateCommand(context: CommandContext) {
  return newCommand("validate", {
    summary: "Check vm-backup.conf and vm-list.yaml; every problem is named with its place",
    examples: ["vmb config validate", "VMB_CONFIG_DIR=. vmb config validate"],
  })
    .option("--json", "print the result as JSON")
    .action(async ({ json }) => {
      const { vms, folder, warnings } = await context.configuration();
      context.result(
        json,
        { valid: true, folder, vms: vms.length, warnings },
        () => `${folder}: valid, ${vms.length} VMs\n`,
      );
    });
}
