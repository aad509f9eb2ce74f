import { VmbError } from "../error.ts";
import { domainRunId, domainState, liveXml, persistentXml } from "../libvirt/domain.ts";
import { describeDomain } from "../libvirt/domain_xml.ts";
import { snapshotCommand } from "../libvirt/snapshot.ts";
import type { OverlayDisk } from "../journal/journal_entry.ts";
import { unfinished } from "./batch_run.ts";
import type { Capture } from "./capture.ts";
import { removeOverlays } from "../undo/overlay.ts";
import { CaptureConnections } from "./connections.ts";
import type { CaptureContext } from "./context.ts";
import { domainEnd, vmCrashed } from "./domain_end.ts";
import { type ExportServer, serveImages } from "../image/export_server.ts";
import { runAtInstant, type Window } from "./freeze_window.ts";

/**
 * Captures a running domain by putting an overlay over every chosen disk at once. The images below stand
 * still and are served read-only; `release` commits what the guest wrote meanwhile back into them.
 */
export async function captureSnapshot(context: CaptureContext): Promise<Capture> {
  const { virsh, domain, disks, journal, scratchFolder, stagingFolder, system } = context;
  const overlays: readonly OverlayDisk[] = disks.map((disk) => ({
    target: disk.target,
    base: disk.source ?? "",
    baseFormat: disk.format,
    overlay: `${scratchFolder}/${disk.target}.overlay`,
  }));
  const runId = await domainRunId(virsh, domain);
  const xmlFile = `${stagingFolder}/before.xml`;
  await system.files.write(xmlFile, await persistentXml(virsh, domain));
  await journal.write({ step: "overlay", disks: overlays, xmlFile });

  const connections = new CaptureConnections(system.network);
  let server: ExportServer | undefined;
  let released: Promise<void> | undefined;
  const release = () =>
    released ??= (async () => {
      connections.close();
      await server?.stop();
      await removeOverlays(context, { disks: overlays, xmlFile });
      await journal.write({ step: "overlay-gone" });
    })();

  try {
    const window = await takeSnapshot(context, overlays);
    if (window.part.failed) {
      throw new VmbError(`Snapshot of "${domain.name}" failed: ${window.part.words}`, {
        code: "capture.snapshot",
      });
    }
    server = await serveImages(
      system,
      overlays.map(({ target, base, baseFormat }) => ({ target, path: base, format: baseFormat })),
      { sockets: scratchFolder, logs: stagingFolder },
    );
    const captured = await connections.open(server.exports);
    const before = await stamps(system, overlays);
    return {
      method: "snapshot",
      consistency: window.consistency,
      instant: window.instant,
      frozen: window.frozen,
      disks: captured,
      // The images below outlive the domain, unless it dies of something that is to be looked at.
      async ended() {
        const end = await domainEnd(context, runId);
        return end?.code === vmCrashed ? end : undefined;
      },
      async assertWhole() {
        const state = await domainState(virsh, domain);
        const running = state !== undefined && state !== "shut off";
        const { disks: now } = describeDomain(
          running ? await liveXml(virsh, domain) : await persistentXml(virsh, domain),
        );
        const after = await stamps(system, overlays);
        overlays.forEach(({ target, overlay }, index) => {
          const disk = now.find((candidate) => candidate.target === target);
          const still = disk?.source === overlay && disk.mirror === undefined;
          if (still && before[index] === after[index]) return;
          throw new VmbError(
            `The capture of "${domain.name}" was lost: ${
              still
                ? `the image below the overlay of ${target} was written to`
                : `disk ${target} left its overlay`
            } during the copy`,
            {
              code: "capture.lost",
              hint: "Did another program commit the overlay? Run the backup again",
            },
          );
        });
      },
      release,
    };
  } catch (error) {
    // An overlay that may still appear cannot be committed yet; the journal keeps it.
    if (!(error instanceof VmbError && error.code === unfinished)) await release();
    throw error;
  }
}

/** What changes when an image is written to; a block device shows nothing of it. */
function stamps(
  { files }: Pick<CaptureContext["system"], "files">,
  overlays: readonly OverlayDisk[],
): Promise<readonly string[]> {
  return Promise.all(overlays.map(async ({ base }) => {
    const info = await files.inspectTarget(base);
    return `${info?.kind} ${info?.size} ${info?.modified}`;
  }));
}

function takeSnapshot(
  context: CaptureContext,
  overlays: readonly OverlayDisk[],
): Promise<Window> {
  const { domain, description, journal } = context;
  const overlayOf = new Map(overlays.map(({ target, overlay }) => [target, overlay]));
  return runAtInstant(
    context,
    snapshotCommand(domain, {
      name: journal.run,
      disks: description.disks.map(({ target }) => ({ target, overlay: overlayOf.get(target) })),
    }),
  );
}
