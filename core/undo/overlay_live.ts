import { VmbError } from "../error.ts";
import type { Report } from "../event.ts";
import { blockJob } from "../libvirt/block_job.ts";
import { type Domain, liveXml } from "../libvirt/domain.ts";
import { describeDomain, type DomainDisk } from "../libvirt/domain_xml.ts";
import type { Virsh } from "../libvirt/virsh.ts";
import type { OverlayDisk } from "../journal/journal_entry.ts";
import type { System } from "../sys/system.ts";

/** What removing overlays needs; a capture and `recover` both have it. */
export interface CommitContext {
  readonly system: Pick<System, "clock" | "files" | "processes">;
  readonly virsh: Virsh;
  readonly domain: Domain;
  readonly stagingFolder: string;
  readonly report: Report;
}

/** How long an active commit may make no progress, in milliseconds. */
const patienceMs = 10 * 60_000;

/** Commits one overlay of a running domain and pivots to the base; one that is on its base is passed over. */
export async function commitLive(context: CommitContext, disk: OverlayDisk): Promise<void> {
  const { virsh, domain } = context;
  const now = await liveDisk(virsh, domain, disk.target);
  if (now?.source === disk.base && now.mirror === undefined) return;
  assertOursOnTop(domain, disk, now?.source);
  if (now?.mirror === undefined) {
    await virsh.run(
      ["blockcommit", domain.uuid, disk.target, "--active", `--base=${disk.base}`],
      { timeoutMs: 120_000 },
    );
  }
  await pivotWhenReady(context, disk);
}

/** @throws {VmbError} `capture.overlay-foreign` when a disk is neither on its base nor on our overlay */
export function assertOursOnTop(domain: Domain, disk: OverlayDisk, top: string | undefined): void {
  if (top === disk.overlay) return;
  throw new VmbError(
    top === undefined
      ? `Disk ${disk.target} of "${domain.name}" was unplugged while it was on our overlay`
      : `Disk ${disk.target} of "${domain.name}" is on "${top}": neither its base nor our overlay`,
    {
      code: "capture.overlay-foreign",
      hint: `Someone else changed the chain above "${disk.overlay}"; bring it back to that first`,
    },
  );
}

async function pivotWhenReady(context: CommitContext, disk: OverlayDisk): Promise<void> {
  const { virsh, domain, system, report } = context;
  let end = system.clock.monotonic() + patienceMs;
  let copied = -1;
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
    } else {
      const job = await blockJob(virsh, domain, disk.target);
      if (job !== undefined && job.done !== copied) {
        copied = job.done;
        end = system.clock.monotonic() + patienceMs;
      }
    }
    await system.clock.sleep(pause);
  }
  throw new VmbError(
    `Commit of disk ${disk.target} of "${domain.name}" made no progress for ${
      patienceMs / 60_000
    } min`,
    {
      code: "capture.commit",
      hint:
        "The guest writes faster than the commit copies; it runs on safely. Later run: vmb hv recover",
    },
  );
}

async function liveDisk(
  virsh: Virsh,
  domain: Domain,
  target: string,
): Promise<DomainDisk | undefined> {
  return describeDomain(await liveXml(virsh, domain)).disks.find((disk) => disk.target === target);
}
