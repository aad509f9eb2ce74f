import type { Settings } from "../config/settings.ts";
import { toVmbError, VmbError } from "../error.ts";
import { formatBytes } from "../format/bytes.ts";
import {
  localNotice,
  probeShareWrite,
  shareFreeBytes,
  type ShareMount,
  shareMount,
} from "../repository/share.ts";
import type { System } from "../sys/system.ts";
import { type Check, type CheckVerdict, failed, passed } from "./check.ts";

export interface ShareCheckContext {
  readonly system: Pick<System, "files" | "processes" | "host">;
  readonly settings: Settings;
}

/** Room that a backup leaves on the share beyond the data of the VM, in bytes. */
const shareReserve = 256 * 1024 ** 2;

/**
 * That the share is there, takes writes and has room. What one of them has found wrong, the others do not say
 * again.
 */
export function shareChecks(
  { system, settings }: ShareCheckContext,
  expectedBytes: number,
): readonly Check[] {
  const mounted = once(async () => mountVerdict(await shareMount(system, settings), settings));
  const written = once(async () => {
    await probeShareWrite(system, settings);
    return passed(`answers within ${settings.shareTimeoutSeconds} s and takes a durable write`);
  });
  return [
    { name: "share-mounted", run: mounted },
    {
      name: "share-writable",
      run: async () => {
        const mount = await outcomeOf(mounted());
        if (mount instanceof VmbError || mount.outcome === "failed") return saidBy("share-mounted");
        return await written();
      },
    },
    {
      name: "share-space",
      run: async () => {
        const mount = await outcomeOf(mounted());
        if (mount instanceof VmbError) return saidBy("share-mounted");
        // One that is mounted read-only tells its space all the same.
        const write = mount.outcome === "failed" ? mount : await outcomeOf(written());
        if (write instanceof VmbError && write.code === "share.no-answer") {
          return saidBy("share-writable");
        }
        const free = await shareFreeBytes(system, settings);
        const needed = expectedBytes + shareReserve;
        const detail = `${formatBytes(free)} free, up to ${formatBytes(needed)} needed`;
        return free >= needed
          ? passed(detail)
          : failed(detail, "Make room on the share, or exclude a disk in vm-list.yaml");
      },
    },
  ];
}

function mountVerdict(mount: ShareMount, settings: Settings): CheckVerdict {
  const { backupRoot, backupShareId } = settings;
  if (mount.readonly) {
    return failed(
      `"${backupRoot}" is mounted read-only from ${mount.source}`,
      `Run: mount -o remount,rw ${mount.point}`,
    );
  }
  if (mount.isLocal) return passed(localNotice(backupRoot, mount));
  const what = `${mount.source} (${mount.type}) on ${mount.point}`;
  return backupShareId === undefined
    ? {
      ...passed(what),
      hint: "Another share would be taken for it: give it an id, with vmb hv init-share",
    }
    : passed(`${what}, the share ${backupShareId}`);
}

function saidBy(check: string): CheckVerdict {
  return { outcome: "skipped", detail: `${check} says what is wrong` };
}

async function outcomeOf(verdict: Promise<CheckVerdict>): Promise<CheckVerdict | VmbError> {
  return await verdict.catch(toVmbError);
}

/** Checks run side by side: the first one that asks starts the work. */
function once<T>(work: () => Promise<T>): () => Promise<T> {
  let started: Promise<T> | undefined;
  return () => started ??= work();
}
