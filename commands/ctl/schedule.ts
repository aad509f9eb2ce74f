import { newCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
export function scheduleCommand(_context: CommandContext) {
  return newCommand("schedule", { summary: "x", examples: [] });
}
