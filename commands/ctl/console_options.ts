import { Option } from "@commander-js/extra-typings";
import {
  type Bconsole,
  consoleHere,
  consoleInContainer,
  monitorInContainer,
  openBconsole,
} from "../../core/bacula/bconsole.ts";
import { type Inventory, loadInventory, siteFile } from "../../core/config/inventory.ts";
import { deployedRepository } from "../../core/deploy/places.ts";
import type { Argv } from "../../core/sys/process.ts";
import type { CommandContext } from "../context.ts";

/** `--repository`: the commands of every day are typed anywhere. */
export function repositoryOption() {
  return new Option(
    "--repository <folder>",
    `repository of the site (default: the current folder, else ${deployedRepository})`,
  ).env("VMB_REPOSITORY");
}

/** `--console-config`: how the Director is asked. */
export function consoleOption() {
  return new Option(
    "--console-config <file>",
    "ask with bconsole of this machine and this configuration, and not in the Director's container",
  ).env("VMB_CONSOLE_CONFIG");
}

/** `--ssh-config`: how hypervisors are reached. */
export function sshOption() {
  return new Option(
    "--ssh-config <file>",
    "configuration of ssh to use instead of the user's own",
  ).env("VMB_SSH_CONFIG");
}

/** Asks as the administrator. */
export function consoleOf(
  { system, signal }: CommandContext,
  { consoleConfig, inContainer = consoleInContainer, timeoutMs }: {
    readonly consoleConfig?: string | undefined;
    /** What is asked where no configuration of this machine is given. */
    readonly inContainer?: Argv;
    readonly timeoutMs?: number;
  },
): Bconsole {
  return openBconsole({
    processes: system.processes,
    argv: consoleConfig === undefined ? inContainer : consoleHere(consoleConfig),
    signal,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  });
}

/** Asks as the monitor, which can only look. */
export function monitorOf(
  context: CommandContext,
  options: { readonly consoleConfig?: string | undefined } = {},
): Bconsole {
  return consoleOf(context, { ...options, inContainer: monitorInContainer });
}

export async function inventoryOf(
  { system: { files } }: CommandContext,
  { repository }: { readonly repository?: string | undefined },
): Promise<Inventory> {
  if (repository !== undefined) return await loadInventory(files, repository);
  const isHere = await files.inspectTarget(siteFile) !== undefined;
  const isDeployed = !isHere && await files.inspectTarget(deployedRepository) !== undefined;
  return await loadInventory(files, isDeployed ? deployedRepository : ".");
}
