import { VmbError } from "../error.ts";
import { domainState } from "../libvirt/domain.ts";
import type { Capture, CapturedDisk } from "./capture.ts";
import { CaptureConnections } from "./connections.ts";
import type { CaptureContext } from "./context.ts";
import { type ExportServer, serveImages } from "../image/export_server.ts";

/**
 * Captures a domain that is shut off by serving its images as they lie there. Nothing keeps the domain from
 * being started: its owner may need it. A start is noticed, from libvirt's events and from the images
 * themselves, and the capture then is lost.
 */
export async function captureOffline(context: CaptureContext): Promise<Capture> {
  const { virsh, domain, disks, scratchFolder, stagingFolder, managedSave, system } = context;
  let started: string | undefined;
  const events = system.processes.follow(
    // The log's name makes the process ours, should it be left behind.
    virsh.argv([
      ...["--log", `${stagingFolder}/events.log`],
      ...["event", "--domain", domain.uuid, "--event", "lifecycle", "--loop"],
    ]),
    (line) => {
      if (/: (Started|Resumed)\b[^:']*$/.test(line)) started = line;
    },
  );
  const images = disks.map((disk) => ({
    target: disk.target,
    path: disk.source ?? "",
    format: disk.format,
  }));
  const stamps = () =>
    Promise.all(images.map(async ({ path }) => {
      const info = await system.files.inspectTarget(path);
      return `${info?.size} ${info?.modified} ${info?.kind}`;
    }));
  const before = await stamps();

  const connections = new CaptureConnections(system.network);
  let server: ExportServer | undefined;
  let released: Promise<void> | undefined;
  const release = () =>
    released ??= (async () => {
      connections.close();
      await server?.stop();
      await events.stop();
    })();
  let captured: readonly CapturedDisk[];
  try {
    server = await serveImages(system, images, { sockets: scratchFolder, logs: stagingFolder });
    captured = await connections.open(server.exports);
  } catch (error) {
    await release();
    throw error;
  }
  return {
    method: "offline",
    // With a saved memory image the disks are those of a guest that was stopped at work.
    consistency: managedSave ? "crash" : "offline",
    instant: system.clock.now(),
    frozen: undefined,
    disks: captured,
    ended: () => Promise.resolve(undefined),
    async assertWhole() {
      const state = await domainState(virsh, domain);
      const after = await stamps();
      const changed = images.find((_, index) => before[index] !== after[index]);
      const ran = started !== undefined || state !== "shut off";
      if (!ran && changed === undefined) return;
      throw new VmbError(
        `The capture of "${domain.name}" was lost: ${
          ran ? "the domain was started" : `its image "${changed?.path}" changed`
        } during the offline copy`,
        { code: "capture.lost", hint: "Run the backup again; the domain was not disturbed" },
      );
    },
    release,
  };
}
