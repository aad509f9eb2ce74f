import { vmJobName } from "../bacula/names.ts";
import { type CheckVerdict, passed, warned } from "../checks/check.ts";
import type { Site } from "../config/site.ts";
import { metadataFolder } from "../repository/layout.ts";
import { shareFiles } from "../sys/share_files.ts";
import { runningJobs } from "./monitor_console.ts";
import type { Machine } from "./places.ts";
import { shareTimeoutMs } from "./plan.ts";

/** A lock on the share whose file names a holder. */
interface NamedLock {
  readonly path: string;
  readonly hypervisor: string;
  readonly vm: string;
  readonly since: string;
}

/**
 * Looks for runs on hypervisors that Bacula does not know of: one whose job was canceled runs on, and one that
 * died leaves its name. Only looks: to try a lock would keep a backup from taking it.
 */
export async function heldLocks(
  machine: Pick<Machine, "files" | "processes">,
  site: Pick<Site, "nfs">,
): Promise<CheckVerdict> {
  const locks = await namedLocks(machine, site);
  if (locks.length === 0) return passed("no run holds a lock");
  const running = await runningJobs(machine);
  const unknown = locks.filter(({ vm }) => !running.some(({ name }) => name === vmJobName(vm)));
  if (unknown.length === 0) return passed(`held by ${locks[0]?.vm}, whose job runs`);
  const runs = new Set(
    unknown.map(({ vm, hypervisor, since }) => `"${vm}" on ${hypervisor} since ${since}`),
  );
  return warned(
    `no job of Bacula runs, but the share is locked for ${[...runs].join(", ")}`,
    "A canceled job runs on there, or its run died: vmb ctl fix tells, and releases what is dead",
  );
}

/**
 * Takes the name of a dead run off its locks. The file server gives a lock to only one, so one that can be taken
 * has no holder.
 *
 * @returns what was released, in words
 */
export async function releaseDeadLocks(
  machine: Pick<Machine, "files">,
  site: Pick<Site, "nfs">,
): Promise<readonly string[]> {
  const released: string[] = [];
  for (const { path, vm, hypervisor, since } of await namedLocks(machine, site)) {
    const lock = await shareFiles(machine.files, shareTimeoutMs).lock(path);
    if (lock === undefined) continue;
    await lock.release();
    released.push(`${path}: the run of "${vm}" on ${hypervisor} since ${since} is dead`);
  }
  return released;
}

async function namedLocks(
  { files }: Pick<Machine, "files">,
  { nfs }: Pick<Site, "nfs">,
): Promise<readonly NamedLock[]> {
  const share = shareFiles(files, shareTimeoutMs);
  const folder = `${metadataFolder(nfs.mount)}/locks`;
  const locks: NamedLock[] = [];
  for (const name of await share.list(folder)) {
    if (!name.endsWith(".lock")) continue;
    const path = `${folder}/${name}`;
    const holder = parseHolder(await share.readText(path));
    if (holder !== undefined) locks.push({ path, ...holder });
  }
  return locks;
}

/** A holder writes its name after it has the lock, and takes it off before it gives it up. */
function parseHolder(text: string): Omit<NamedLock, "path"> | undefined {
  try {
    const { hypervisor, vm, since } = JSON.parse(text);
    return [hypervisor, vm, since].every((value) => typeof value === "string")
      ? { hypervisor, vm, since }
      : undefined;
  } catch {
    return undefined;
  }
}
