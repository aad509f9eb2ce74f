import type { Check } from "../checks/check.ts";
import { postBackupChecks } from "../checks/post_backup.ts";
import { preBackupChecks } from "../checks/pre_backup.ts";
import { withRuns } from "../checks/runs.ts";
import type { Configuration } from "../config/configuration.ts";
import { runStates } from "../journal/run_states.ts";
import { openVirsh } from "../libvirt/virsh.ts";
import { findBackup } from "../repository/backups.ts";
import { shareMount } from "../repository/share.ts";
import { shareFiles } from "../sys/share_files.ts";
import type { System } from "../sys/system.ts";
import { chooseMethod } from "../survey/choose_method.ts";
import { entryHere } from "./plan.ts";
import { surveyDomain } from "../survey/survey.ts";

/** The checks of one VM, for someone who wants no backup now. */
export interface Examination {
  readonly preChecks: readonly Check[];
  /** The checks after a backup, on the last one that there is. */
  postChecks(): Promise<readonly Check[]>;
}

export async function openExamination(
  system: System,
  configuration: Configuration,
  vm: string,
): Promise<Examination> {
  const { settings } = configuration;
  const entry = entryHere(configuration, vm);
  const virsh = openVirsh(system.processes, settings.libvirtUri);
  const survey = await surveyDomain(system, virsh, entry, settings);
  const choice = chooseMethod(entry.method, survey, entry.agent);
  const states = await runStates(system.files, settings.stateDir);
  const checks = preBackupChecks({ system, settings, entry, virsh, survey, choice });
  return {
    preChecks: withRuns(checks, states, vm),
    async postChecks() {
      await shareMount(system, settings);
      const share = shareFiles(
        system.files,
        settings.backupRoot,
        settings.shareTimeoutSeconds * 1000,
      );
      const after = postBackupChecks({
        system,
        share,
        virsh,
        domain: survey.domain,
        backup: await findBackup(share, settings.backupRoot, vm, "latest"),
        settings,
      });
      return withRuns(after, states, vm);
    },
  };
}
