import { newCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
export function restoreCommand(_context: CommandContext) {
  return newCommand("restore", { summary: "x", examples: [] });
}
