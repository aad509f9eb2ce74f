import type { VmCommand } from "../config/vm_list.ts";
import { VmbError } from "../error.ts";
import type { BackupContext } from "./context.ts";

/** A file of the backup that a command printed. */
export interface CapturedConfig {
  readonly name: string;
  readonly content: string;
}

/**
 * Runs the commands that vm-list.yaml wants before the backup, such as `write memory` on an appliance.
 *
 * @throws {VmbError} `backup.command` of the first that fails: the backup would miss what it was to save
 */
export async function runPreBackupCommands(
  context: BackupContext,
): Promise<void> {
  for (const command of context.entry.preBackupCommands) {
    context.report({ kind: "info", text: `Running "${command.argv[0]}" of pre_backup_commands` });
    await runCommand(context, command);
  }
}

/** Runs the commands of `config_capture`; their output goes to `configs/`. */
export async function captureConfigs(
  context: BackupContext,
): Promise<readonly CapturedConfig[]> {
  const captured: CapturedConfig[] = [];
  for (const command of context.entry.configCapture) {
    context.report({
      kind: "info",
      text: `Capturing configs/${command.file} by "${command.argv[0]}"`,
    });
    const content = await runCommand(context, command);
    captured.push({ name: `configs/${command.file}`, content });
  }
  return captured;
}

async function runCommand(
  { system, entry, report, signal }: BackupContext,
  { argv, timeoutSeconds }: VmCommand,
): Promise<string> {
  const done = await system.processes.run(argv, { timeoutMs: timeoutSeconds * 1000, signal });
  if (done.code === 0) return done.stdout;
  // Its arguments may hold a password, and messages travel far: only its own words are told, in the log.
  report({
    kind: "info",
    text: `"${argv[0]}" said: ${done.stderr.trim().split("\n").at(-1) ?? ""}`,
  });
  throw new VmbError(
    `Command "${argv[0]}" of vm-list.yaml for "${entry.name}" ended with status ${done.code}`,
    { code: "backup.command", hint: "Its last words are in the log of the run" },
  );
}
