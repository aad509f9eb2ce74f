import { VmbError } from "../error.ts";
import { domainRunId } from "../libvirt/domain.ts";
import { endBackupJob, isBackupIn, pullJobXml, runningBackupXml } from "../libvirt/backup_job.ts";
import { unfinished } from "./batch_run.ts";
import type { Capture, CapturedDisk } from "./capture.ts";
import { CaptureConnections } from "./connections.ts";
import type { CaptureContext } from "./context.ts";
import { domainEnd } from "./domain_end.ts";
import { runAtInstant, type Window } from "./freeze_window.ts";

/**
 * Captures a running domain by a pull-mode backup job that is begun while the guest's file systems are
 * frozen. QEMU serves the instant; blocks that the guest overwrites go to local scratch files first.
 */
export async function captureQuiesced(context: CaptureContext): Promise<Capture> {
  const { virsh, domain, description, disks, journal, scratchFolder, stagingFolder, system } =
    context;
  const socketPath = `${scratchFolder}/backup.sock`;
  const xmlFile = `${stagingFolder}/backup-job.xml`;
  const chosen = new Set(disks.map((disk) => disk.target));
  await system.files.write(
    xmlFile,
    pullJobXml({
      socketPath,
      disks: description.disks.map(({ target }) => ({
        target,
        scratch: chosen.has(target) ? `${scratchFolder}/${target}.scratch` : undefined,
      })),
    }),
  );
  const runId = await domainRunId(virsh, domain);
  await journal.write({ step: "backup-job" });

  const connections = new CaptureConnections(system.network);
  let released: Promise<void> | undefined;
  const release = () =>
    released ??= (async () => {
      await endBackupJob(context, domain, scratchFolder);
      await journal.write({ step: "backup-job-ended" });
      connections.close();
    })();
  let window: Window;
  let captured: readonly CapturedDisk[];
  try {
    window = await runAtInstant(context, ["backup-begin", domain.uuid, xmlFile]);
    if (window.part.failed) {
      throw new VmbError(`Backup job of "${domain.name}" did not begin: ${window.part.words}`, {
        code: "capture.backup-begin",
      });
    }
    captured = await connections.open(
      disks.map(({ target }) => ({ target, socketPath, exportName: target })),
    );
  } catch (error) {
    // A job that may still begin cannot be ended yet; the journal keeps it.
    if (!(error instanceof VmbError && error.code === unfinished)) await release();
    throw error;
  }
  return {
    method: "quiesce",
    consistency: window.consistency,
    instant: window.instant,
    frozen: window.frozen,
    disks: captured,
    ended: () => domainEnd(context, runId),
    async assertWhole() {
      const end = await domainEnd(context, runId);
      if (end !== undefined) throw end;
      if (isBackupIn(await runningBackupXml(virsh, domain) ?? "", scratchFolder)) return;
      throw new VmbError(
        `The capture of "${domain.name}" was lost: its backup job ended during the copy`,
        {
          code: "capture.lost",
          hint: "Did somebody end it (virsh domjobabort)? Run the backup again",
        },
      );
    },
    release,
  };
}
