import type { VmCommand } from "../config/vm_list.ts";
import { commandFailed, showArgv } from "../sys/process.ts";
import type { BackupContext } from "./context.ts";

/** A file of the backup that a command printed. */
export interface CapturedConfig {
  readonly name: string;
  readonly content: string;
}

/**
 * Runs the commands that vm-list.yaml wants before the backup, such as `write memory` on an appliance.
 *
 * @throws {VmbError} `process.failed` of the first that fails: the backup would miss what it was to save
 */
export async function runPreBackupCommands(
  { system, entry, report, signal }: BackupContext,
): Promise<void> {
  for (const command of entry.preBackupCommands) {
    report({ kind: "info", text: `Running: ${showArgv(command.argv)}` });
    await runCommand({ system, signal }, command);
  }
}

/** Runs the commands of `config_capture`; their output goes to `configs/`. */
export async function captureConfigs(
  { system, entry, report, signal }: BackupContext,
): Promise<readonly CapturedConfig[]> {
  const captured: CapturedConfig[] = [];
  for (const command of entry.configCapture) {
    report({ kind: "info", text: `Capturing configs/${command.file}: ${showArgv(command.argv)}` });
    const content = await runCommand({ system, signal }, command);
    captured.push({ name: `configs/${command.file}`, content });
  }
  return captured;
}

async function runCommand(
  { system, signal }: Pick<BackupContext, "system" | "signal">,
  { argv, timeoutSeconds }: VmCommand,
): Promise<string> {
  const done = await system.processes.run(argv, { timeoutMs: timeoutSeconds * 1000, signal });
  if (done.code !== 0) {
    throw commandFailed(done, "See pre_backup_commands and config_capture in vm-list.yaml");
  }
  return done.stdout;
}
