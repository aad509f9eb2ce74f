import { VmbError } from "../error.ts";
import { type Domain, domainState, liveXml, persistentXml } from "../libvirt/domain.ts";
import { describeDomain, type DomainDisk, withDisksOf } from "../libvirt/domain_xml.ts";
import type { Virsh } from "../libvirt/virsh.ts";
import type { OverlayDisk } from "../recovery/journal.ts";
import { runOk } from "../sys/process.ts";
import type { System } from "../sys/system.ts";
import type { Report } from "../event.ts";

/** What removing overlays needs; a capture and `recover` both have it. */
export interface CommitContext {
  readonly system: Pick<System, "clock" | "files" | "processes">;
  readonly virsh: Virsh;
  readonly domain: Domain;
  readonly stagingFolder: string;
  readonly report: Report;
}

/** How long an active commit may take to catch up with the guest, once it has copied everything. */
const readyPatienceMs = 10 * 60_000;

/**
 * Commits overlays of ours back into their base images and takes them away. It may be called at any state
 * that a kill leaves, any number of times: overlays that are already gone are passed over, a commit that
 * already runs is waited for.
 *
 * An overlay file is deleted only after the live and the persistent XML of every disk show the base.
 *
 * @throws {VmbError} `capture.overlay-foreign` when another overlay lies above ours; `capture.commit` when a
 *   commit does not finish. The domain then runs on, on its overlay
 */
export async function removeOverlays(
  context: CommitContext,
  overlay: { readonly disks: readonly OverlayDisk[]; readonly xmlFile: string },
): Promise<void> {
  const { virsh, domain, system } = context;
  const state = await domainState(virsh, domain);
  const running = state !== undefined && state !== "shut off" && state !== "crashed";
  if (running) await commitLive(context, overlay.disks);
  else await commitOffline(context, overlay, state !== undefined);

  const left = await disksOnOverlay(virsh, domain, overlay.disks, {
    running,
    known: state !== undefined,
  });
  if (left.length > 0) {
    throw new VmbError(
      `Disks ${left.join(", ")} of "${domain.name}" are still on an overlay after the commit`,
      { code: "capture.commit", hint: `Run: vmb hv recover; the overlay files are kept` },
    );
  }
  for (const { overlay: path } of overlay.disks) await system.files.remove(path);
}

async function commitLive(context: CommitContext, disks: readonly OverlayDisk[]): Promise<void> {
  const { virsh, domain } = context;
  for (const disk of disks) {
    const now = await liveDisk(virsh, domain, disk.target);
    if (now?.source === disk.base && now.mirror === undefined) continue;
    assertOursOnTop(domain, disk, now?.source);
    if (now?.mirror === undefined) {
      await virsh.run(
        ["blockcommit", domain.uuid, disk.target, "--active", `--base=${disk.base}`],
        { timeoutMs: 120_000 },
      );
    }
    await pivotWhenReady(context, disk);
  }
}

async function pivotWhenReady(context: CommitContext, disk: OverlayDisk): Promise<void> {
  const { virsh, domain, system, report } = context;
  const end = system.clock.monotonic() + readyPatienceMs;
  for (let pause = 20; system.clock.monotonic() < end; pause = Math.min(pause * 2, 2000)) {
    const now = await liveDisk(virsh, domain, disk.target);
    if (now?.source === disk.base && now.mirror === undefined) return;
    if (now?.mirror === undefined) {
      throw new VmbError(
        `Commit of disk ${disk.target} of "${domain.name}" ended before its pivot`,
        {
          code: "capture.commit",
          hint: "Is the base image's file system full? Then make room and run: vmb hv recover",
        },
      );
    }
    if (now.mirror.ready) {
      const pivot = await virsh.attempt(["blockjob", domain.uuid, disk.target, "--pivot"], {
        timeoutMs: 120_000,
      });
      if (pivot.code === 0) continue;
      report({
        kind: "info",
        text: `Pivot of ${disk.target} is tried again: ${pivot.stderr.trim()}`,
      });
    }
    await system.clock.sleep(pause);
  }
  throw new VmbError(
    `Commit of disk ${disk.target} of "${domain.name}" was not ready within ${
      readyPatienceMs / 60_000
    } min`,
    {
      code: "capture.commit",
      hint:
        "The guest writes faster than the commit copies; it runs on safely. Later run: vmb hv recover",
    },
  );
}

/**
 * The domain ended while it was on its overlays: `qemu-img` commits them, and the persistent XML, which
 * libvirt had pointed at the overlays, gets its own disks back.
 */
async function commitOffline(
  { system, virsh, domain, stagingFolder }: CommitContext,
  overlay: { readonly disks: readonly OverlayDisk[]; readonly xmlFile: string },
  persistent: boolean,
): Promise<void> {
  const current = persistent ? await persistentXml(virsh, domain) : undefined;
  const onOverlay = current === undefined ? overlay.disks : overlay.disks.filter((disk) => {
    const source = describeDomain(current).disks.find((now) => now.target === disk.target)?.source;
    if (source === disk.base) return false;
    assertOursOnTop(domain, disk, source);
    return true;
  });
  for (const disk of onOverlay) {
    if (await system.files.inspect(disk.overlay) === undefined) {
      throw new VmbError(`Overlay "${disk.overlay}" of "${domain.name}" is missing`, {
        code: "capture.overlay-missing",
        hint:
          "What the guest wrote since the snapshot was in it: look for the file before starting the VM",
      });
    }
    await runOk(
      system.processes,
      ["qemu-img", "commit", "-q", "-f", "qcow2", "-d", "-b", disk.base, disk.overlay],
      { timeoutMs: 24 * 3600_000 },
    );
  }
  if (current === undefined || onOverlay.length === 0) return;
  const restored = withDisksOf(
    current,
    await system.files.readText(overlay.xmlFile),
    onOverlay.map((disk) => disk.target),
  );
  const file = `${stagingFolder}/after.xml`;
  await system.files.write(file, restored);
  await virsh.run(["define", file]);
}

function assertOursOnTop(domain: Domain, disk: OverlayDisk, top: string | undefined): void {
  if (top === disk.overlay) return;
  throw new VmbError(
    `Disk ${disk.target} of "${domain.name}" is on "${top}": neither its base nor our overlay`,
    {
      code: "capture.overlay-foreign",
      hint: `Someone else changed the chain above "${disk.overlay}"; bring it back to that first`,
    },
  );
}

async function disksOnOverlay(
  virsh: Virsh,
  domain: Domain,
  disks: readonly OverlayDisk[],
  { running, known }: { running: boolean; known: boolean },
): Promise<readonly string[]> {
  if (!known) return [];
  const views = [
    await persistentXml(virsh, domain),
    ...(running ? [await liveXml(virsh, domain)] : []),
  ]
    .map((xml) => describeDomain(xml).disks);
  return disks.filter(({ target, base }) =>
    views.some((view) => {
      const disk = view.find((candidate) => candidate.target === target);
      return disk !== undefined && (disk.source !== base || disk.mirror !== undefined);
    })
  ).map(({ target }) => target);
}

async function liveDisk(
  virsh: Virsh,
  domain: Domain,
  target: string,
): Promise<DomainDisk | undefined> {
  return describeDomain(await liveXml(virsh, domain)).disks.find((disk) => disk.target === target);
}
