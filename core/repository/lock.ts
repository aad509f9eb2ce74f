import { exitCodes, VmbError } from "../error.ts";
import type { Report } from "../event.ts";
import type { FileLock } from "../sys/files.ts";
import type { System } from "../sys/system.ts";
import { locksFolder } from "./layout.ts";
import { type LockHolder, parseLockHolder } from "./lock_holder.ts";

/**
 * The locks of one run on the share. They are flock(2) locks, which the file server gives up when the
 * process or its machine dies; the words in the file only name the holder.
 */
export interface RepositoryLock {
  release(): Promise<void>;
}

/**
 * Takes one of the site-wide locks (so many VMs are backed up at a time) and the lock of one VM, keyed by UUID:
 * after a migration two hypervisors may know it.
 *
 * @param places how many site-wide locks there are; the same on all hypervisors
 * @throws {VmbError} `repository.locked` (exit 11) that names the holder
 */
export async function lockForBackup(
  system: Pick<System, "files">,
  root: string,
  uuid: string,
  holder: LockHolder,
  { places = 1, report }: { readonly places?: number; readonly report: Report },
): Promise<RepositoryLock> {
  const site = await takeOneOf(system, root, siteLocks(places), holder);
  try {
    const vm = await take(system, root, `vm-${uuid}`, holder);
    // A run that was killed left its name in both.
    const dead = new Map(
      [site, vm].flatMap(({ before }) => before ? [[before.run, before] as const] : []),
    );
    for (const { vm, hypervisor, since } of dead.values()) {
      report({
        kind: "warning",
        text:
          `The run that backed up "${vm}" on ${hypervisor} since ${since} died; its lock is taken over`,
        hint: `On ${hypervisor} run: vmb hv recover`,
      });
    }
    return {
      async release() {
        await vm.lock.release();
        await site.lock.release();
      },
    };
  } catch (error) {
    await site.lock.release();
    throw error;
  }
}

/**
 * Takes the lock of one VM, so that its backups stay as they are, and none begins, while one is restored.
 *
 * @throws {VmbError} `repository.locked` (exit 11) that names the holder
 */
export async function lockForRestore(
  system: Pick<System, "files">,
  root: string,
  uuid: string,
  holder: LockHolder,
): Promise<RepositoryLock> {
  const { lock } = await take(system, root, `vm-${uuid}`, { ...holder, work: "restore" });
  return lock;
}

/** Names of the site-wide locks. */
function siteLocks(places: number): readonly string[] {
  return Array.from({ length: places }, (_, index) => index === 0 ? "site" : `site-${index + 1}`);
}

/** Takes the first of some locks that is free; when none is, the error names the holder of the last one. */
async function takeOneOf(
  system: Pick<System, "files">,
  root: string,
  [name = "site", ...others]: readonly string[],
  holder: LockHolder,
): ReturnType<typeof take> {
  try {
    return await take(system, root, name, holder);
  } catch (error) {
    if (!isLocked(error) || others.length === 0) throw error;
    return await takeOneOf(system, root, others, holder);
  }
}

/** Whether somebody else holds the lock: it may be free later. */
export function isLocked(error: unknown): error is VmbError {
  return error instanceof VmbError && error.code === "repository.locked";
}

/** Bytes: many times what a holder writes of itself. */
const longestHolder = 64 * 1024;

/** Takes one lock; `before` is the holder that died with it. */
async function take(
  { files }: Pick<System, "files">,
  root: string,
  name: string,
  holder: LockHolder,
): Promise<{ readonly lock: FileLock; readonly before: LockHolder | undefined }> {
  const folder = locksFolder(root);
  // Whoever may write to the share could have put links there.
  await files.makeFolder(folder, { below: root });
  const path = `${folder}/${name}.lock`;
  const lock = await files.lock(path, { below: root });
  const other = parseLockHolder(
    await files.readText(path, { below: root, limit: longestHolder }).catch(() => ""),
  );
  if (lock === undefined) {
    throw new VmbError(
      other === undefined
        ? `Another run holds the lock "${path}"`
        : `A ${
          other.work ?? "backup"
        } of "${other.vm}" runs on ${other.hypervisor} (pid ${other.pid}) since ${other.since}`,
      {
        code: "repository.locked",
        exit: exitCodes.locked,
        hint: holder.work === undefined
          ? "Try again when it has ended, or wait for that with --lock-wait"
          : "Try again when it has ended",
      },
    );
  }
  await lock.write(`${JSON.stringify(holder)}\n`);
  return { lock, before: other };
}
