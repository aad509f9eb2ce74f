import { removeOverlays } from "../capture/commit.ts";
import { ensureThawed } from "../capture/freeze_window.ts";
import type { Report } from "../event.ts";
import { endBackupJob } from "../libvirt/backup_job.ts";
import { type Domain, domainState } from "../libvirt/domain.ts";
import { openVirsh } from "../libvirt/virsh.ts";
import { withDeadline } from "../sys/deadline.ts";
import type { System } from "../sys/system.ts";
import type { Journal } from "./journal.ts";
import { endStrayProcesses } from "./stray.ts";

export interface UndoOptions {
  readonly system: System;
  readonly report: Report;
  /** How long the share may take to let go of a partial backup, in milliseconds. */
  readonly shareTimeoutMs: number;
}

/**
 * Undoes what a run has begun and not undone, the guest first, and ends its journal. It serves a run that
 * ends, in whatever way, as well as one that was killed; it may be killed itself, and called again.
 *
 * @throws {VmbError} of the step that failed; the journal then stays for the next call
 */
export async function undoRun(journal: Journal, options: UndoOptions): Promise<void> {
  const { system, report } = options;
  const { begin } = journal.outstanding();
  if (begin === undefined) return await journal.end();
  const virsh = openVirsh(system.processes, begin.uri);
  const domain: Domain = { name: begin.vm, uuid: begin.uuid };
  const folders = [begin.scratchFolder, begin.stagingFolder];
  try {
    await endStrayProcesses(system, folders, 150_000);
    if (journal.outstanding().frozen) {
      report({ kind: "info", text: `Thawing "${domain.name}"` });
      if (await domainState(virsh, domain) === "running") {
        await ensureThawed({ virsh, domain, system });
      }
      await journal.write({ step: "thawed" });
    }
    if (journal.outstanding().backupJob) {
      const ended = await endBackupJob(virsh, domain, begin.scratchFolder);
      if (ended) report({ kind: "info", text: `Ended the backup job of "${domain.name}"` });
      await journal.write({ step: "backup-job-ended" });
    }
    const { overlay } = journal.outstanding();
    if (overlay !== undefined) {
      report({ kind: "info", text: `Committing the overlays of "${domain.name}"` });
      const { stagingFolder } = begin;
      await removeOverlays({ system, virsh, domain, stagingFolder, report }, overlay);
      await journal.write({ step: "overlay-gone" });
    }
    for (const folder of folders) await system.files.remove(folder);
    for (const path of journal.outstanding().partials) {
      await withDeadline(
        `Removal of "${path}"`,
        options.shareTimeoutMs,
        system.files.remove(path),
        { hint: "The share hangs; the next run, or vmb hv recover, removes it" },
      );
      report({ kind: "info", text: `Removed the partial backup "${path}"` });
      await journal.write({ step: "partial-gone", path });
    }
    await journal.end();
  } catch (error) {
    await journal.abandon();
    throw error;
  }
}
