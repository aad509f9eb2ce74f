import { VmbError } from "../error.ts";
import { readBatch } from "../libvirt/batch.ts";
import { domainRunId, persistentXml } from "../libvirt/domain.ts";
import { snapshotCommand } from "../libvirt/snapshot.ts";
import type { OverlayDisk } from "../recovery/journal.ts";
import type { Capture } from "./capture.ts";
import { removeOverlays } from "./commit.ts";
import type { CaptureContext } from "./context.ts";
import { type ExportServer, serveImages } from "./export_server.ts";
import { ensureThawed } from "./freeze_window.ts";

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
  const xmlFile = `${stagingFolder}/before.xml`;
  await system.files.write(xmlFile, await persistentXml(virsh, domain));
  const runId = await domainRunId(virsh, domain);
  await journal.write({ step: "overlay", disks: overlays, xmlFile });

  let server: ExportServer | undefined;
  let released: Promise<void> | undefined;
  const release = () =>
    released ??= (async () => {
      await server?.stop();
      await removeOverlays(context, { disks: overlays, xmlFile });
      await journal.write({ step: "overlay-gone" });
    })();

  try {
    const snapshot = await takeSnapshot(context, overlays);
    server = await serveImages(
      system,
      overlays.map(({ target, base, baseFormat }) => ({ target, path: base, format: baseFormat })),
      scratchFolder,
    );
    return {
      method: "snapshot",
      consistency: context.agentAnswers ? "filesystem" : "crash",
      instant: snapshot.instant,
      frozenMs: context.agentAnswers ? snapshot.ms : undefined,
      exports: server.exports,
      async assertWhole() {
        // The images below the overlays stand still whether the domain runs or not.
        if (await domainRunId(virsh, domain).catch(() => undefined) !== runId) {
          context.report({
            kind: "warning",
            text:
              `"${domain.name}" was stopped or restarted during the copy; the captured instant is whole`,
          });
        }
      },
      release,
    };
  } catch (error) {
    await release();
    throw error;
  }
}

async function takeSnapshot(
  context: CaptureContext,
  overlays: readonly OverlayDisk[],
): Promise<{ instant: Date; ms: number }> {
  const { virsh, domain, description, journal, agentAnswers, freezeTimeoutSeconds, system } =
    context;
  const log = `${context.stagingFolder}/snapshot.log`;
  const overlayOf = new Map(overlays.map(({ target, overlay }) => [target, overlay]));
  const commands = [
    ["guest-agent-timeout", domain.uuid, `--timeout=${freezeTimeoutSeconds}`],
    snapshotCommand(domain, {
      name: context.journal.run,
      quiesce: agentAnswers,
      disks: description.disks.map(({ target }) => ({ target, overlay: overlayOf.get(target) })),
    }),
    ["guest-agent-timeout", domain.uuid, "--timeout=-2"],
  ] as const;
  if (agentAnswers) await journal.write({ step: "freeze" });
  const child = await virsh.startBatch(commands, log);
  const waiting = new AbortController();
  await Promise.race([
    child.exited,
    system.clock.sleep((2 * freezeTimeoutSeconds + 60) * 1000, waiting.signal),
  ]);
  waiting.abort();
  const instant = system.clock.now();
  const part = readBatch(commands, await system.files.readText(log))[1];
  if (agentAnswers) {
    if (part?.failed !== false) await ensureThawed(context);
    await journal.write({ step: "thawed" });
  }
  if (part?.failed !== false) {
    throw new VmbError(`Snapshot of "${domain.name}" failed: ${part?.words ?? ""}`, {
      code: "capture.snapshot",
    });
  }
  return { instant, ms: Math.ceil(part.ms ?? 0) };
}
