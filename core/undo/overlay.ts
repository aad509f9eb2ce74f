import { toVmbError, VmbError } from "../error.ts";
import { domainState, liveXml, persistentXml } from "../libvirt/domain.ts";
import { domainInfo } from "../libvirt/domain_info.ts";
import { describeDomain, type DomainDisk, withDisksOf } from "../libvirt/domain_xml.ts";
import type { OverlayDisk } from "../journal/journal_entry.ts";
import { runOk } from "../sys/process.ts";
import { assertOursOnTop, type CommitContext, commitLive } from "./overlay_live.ts";

/**
 * Commits overlays of ours back into their base images and takes them away. It may be called at any state
 * that a kill leaves, any number of times: overlays that are already gone are passed over, a commit that
 * already runs is waited for.
 *
 * An overlay file is deleted only after the live and the persistent XML of every disk, asked afresh, no longer
 * name it.
 *
 * @throws {VmbError} `capture.overlay-foreign` when another overlay lies above ours; `capture.managed-save`;
 *   `capture.commit` when a commit does not finish. The domain then runs on, on its overlay
 */
export async function removeOverlays(
  context: CommitContext,
  overlay: { readonly disks: readonly OverlayDisk[]; readonly xmlFile: string },
): Promise<void> {
  const { virsh, domain, system } = context;
  const failures: VmbError[] = [];
  const state = await domainState(virsh, domain);
  if (isActive(state)) {
    // A disk that cannot be committed must not keep the others on their overlays.
    for (const disk of overlay.disks) {
      try {
        await commitLive(context, disk);
      } catch (error) {
        failures.push(toVmbError(error));
      }
    }
  } else await commitOffline(context, overlay, state !== undefined);

  const [first] = failures;
  if (first !== undefined) {
    throw new VmbError(failures.map(({ message }) => message).join("; "), first);
  }
  const left = await disksOnOverlay(context, overlay.disks);
  if (left.length > 0) {
    throw new VmbError(
      `Disks ${left.join(", ")} of "${domain.name}" are still on an overlay after the commit`,
      { code: "capture.commit", hint: "Run: vmb hv recover; the overlay files are kept" },
    );
  }
  for (const { overlay: path } of overlay.disks) await system.files.remove(path);
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
    const source = sourceOf(describeDomain(current).disks, disk);
    if (source === disk.base) return false;
    assertOursOnTop(domain, disk, source);
    return true;
  });
  if (onOverlay.length === 0) return;
  if (persistent && (await domainInfo(virsh, domain)).managedSave) {
    throw new VmbError(`"${domain.name}" was saved to disk while it was on our overlays`, {
      code: "capture.managed-save",
      hint: "Its saved memory names them: start the VM, then run: vmb hv recover",
    });
  }
  for (const disk of onOverlay) {
    if (await system.files.inspect(disk.overlay) === undefined) {
      if (!persistent) continue;
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
  if (current === undefined) return;
  const restored = withDisksOf(
    current,
    await system.files.readText(overlay.xmlFile),
    onOverlay.map((disk) => disk.target),
  );
  const file = `${stagingFolder}/after.xml`;
  await system.files.write(file, restored);
  await virsh.run(["define", file]);
}

/** Targets whose live or persistent disk, as libvirt says now, is on its overlay or on its way off it. */
async function disksOnOverlay(
  { virsh, domain }: CommitContext,
  disks: readonly OverlayDisk[],
): Promise<readonly string[]> {
  const state = await domainState(virsh, domain);
  if (state === undefined) return [];
  const views = [
    await persistentXml(virsh, domain),
    ...(isActive(state) ? [await liveXml(virsh, domain)] : []),
  ].map((xml) => describeDomain(xml).disks);
  return disks.filter(({ target, overlay }) =>
    views.some((view) => {
      const disk = view.find((candidate) => candidate.target === target);
      if (disk === undefined) return false;
      const chain = [disk.source, ...disk.backing.map(({ source }) => source)];
      return disk.mirror !== undefined || chain.includes(overlay);
    })
  ).map(({ target }) => target);
}

/** Whatever is not shut off has its images open. */
function isActive(state: Awaited<ReturnType<typeof domainState>>): boolean {
  return state !== undefined && state !== "shut off" && state !== "crashed";
}

function sourceOf(disks: readonly DomainDisk[], { target }: OverlayDisk): string | undefined {
  return disks.find((disk) => disk.target === target)?.source;
}
