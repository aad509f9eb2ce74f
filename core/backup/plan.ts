import type { Capture } from "../capture/capture.ts";
import type { Configuration } from "../config/configuration.ts";
import type { VmEntry } from "../config/vm_list.ts";
import { exitCodes, VmbError } from "../error.ts";
import { vmEntry } from "../config/configuration.ts";
import { expectedSize } from "../checks/pre_backup.ts";
import { backupFolder } from "../repository/layout.ts";
import type { BackupContext } from "./context.ts";
import type { Examined } from "./examine.ts";

/** A backup as it would be made: what `--dry-run` shows. */
export interface BackupPlan {
  readonly vm: string;
  readonly hypervisor: string;
  readonly method: Capture["method"];
  readonly level: "full";
  readonly folder: string;
  readonly disks: readonly {
    readonly target: string;
    readonly source: string;
    readonly bytes: number;
  }[];
  readonly skipped: readonly { readonly target: string; readonly reason: string }[];
  readonly expectedBytes: number;
  readonly commands: readonly (readonly string[])[];
}

/**
 * The entry of a VM that is to be handled on this hypervisor.
 *
 * @throws {VmbError} `config.other-hypervisor` when vm-list.yaml gives it to another one
 */
export function entryHere(configuration: Configuration, name: string): VmEntry {
  const entry = vmEntry(configuration, name);
  const { hypervisorName } = configuration.settings;
  if (entry.hypervisor === hypervisorName) return entry;
  throw new VmbError(
    `VM "${name}" belongs to hypervisor "${entry.hypervisor}", and this is "${hypervisorName}"`,
    {
      code: "config.other-hypervisor",
      exit: exitCodes.config,
      hint:
        "Run it there; or correct hypervisor in vm-list.yaml, or HYPERVISOR_NAME in vm-backup.conf",
    },
  );
}

export function planOf(
  { entry, settings, id }: BackupContext,
  { survey, choice }: Examined,
): BackupPlan {
  return {
    vm: entry.name,
    hypervisor: settings.hypervisorName,
    method: choice.method,
    level: "full",
    folder: backupFolder({
      root: settings.backupRoot,
      hypervisor: settings.hypervisorName,
      vm: entry.name,
      id,
    }),
    disks: survey.disks.chosen.map(({ target, source, parts, image }) => ({
      target,
      source: source ?? parts.place,
      bytes: image.needed,
    })),
    skipped: survey.disks.skipped.map(({ disk, reason }) => ({ target: disk.target, reason })),
    expectedBytes: expectedSize(survey),
    commands: [...entry.preBackupCommands, ...entry.configCapture].map(({ argv }) => argv),
  };
}
