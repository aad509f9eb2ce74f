import type { Bconsole } from "../bacula/bconsole.ts";
import { type ActiveJob, activeJobs } from "../bacula/jobs_now.ts";
import { vmJobName } from "../bacula/names.ts";
import { type CheckVerdict, passed, warned } from "../checks/check.ts";
import { nameArgument } from "../config/escaped_name.ts";
import type { Site } from "../config/site.ts";
import { locksFolder } from "../repository/layout.ts";
import { type LockHolder, parseLockHolder } from "../repository/lock_holder.ts";
import { shareFiles } from "../sys/share_files.ts";
import type { Machine } from "./places.ts";
import { shareTimeoutMs } from "./plan.ts";

/** A lock on the share whose file names a holder. */
interface NamedLock {
  readonly path: string;
  readonly holder: LockHolder;
}

/**
 * Looks for strays: runs on hypervisors whose jobs have ended in Bacula, which lets the script of a canceled job
 * run on. Bacula starts the next job, which waits for the lock, and fails when that takes too long. A run that died
 * leaves its name, too. Only looks: to try a lock would keep a backup from taking it.
 */
export async function heldLocks(
  machine: Pick<Machine, "files">,
  bconsole: Bconsole,
  site: Pick<Site, "nfs">,
): Promise<CheckVerdict> {
  const holders = await lockHolders(machine, site);
  if (holders.length === 0) return passed("no run holds a lock");
  const jobs = await activeJobs(bconsole);
  const suspects = holders.filter((holder) => isStray(holder, jobs));
  // A run that ended between the two questions was none: a job ends after its script.
  const left = suspects.length === 0 ? [] : await lockHolders(machine, site);
  const strays = suspects.filter((holder) => left.some((each) => runOf(each) === runOf(holder)));
  if (strays.length > 0) {
    return warned(strays.map((each) => showStray(each, jobs)).join("; "), wayOut(strays));
  }
  const others = holders.filter((holder) => !suspects.includes(holder));
  return others.length === 0
    ? passed("no run holds a lock")
    : passed(`held for ${others.map(showHolder).join(", ")}`);
}

/** Whether the job that began a run goes on no more. What a person began, Bacula knows nothing of. */
function isStray(holder: LockHolder, jobs: readonly ActiveJob[]): boolean {
  if (isByHand(holder)) return false;
  const { jobId, vm } = holder;
  return !jobs.some(({ id, job, result }) =>
    result === "active" && job === vmJobName(vm) && (jobId === undefined || jobId === id)
  );
}

function isByHand({ jobId, work }: LockHolder): boolean {
  return jobId === null || work !== undefined;
}

function showHolder(holder: LockHolder): string {
  const { vm, hypervisor, jobId, since, work = "backup" } = holder;
  const who = isByHand(holder)
    ? `by a ${work} by hand`
    : jobId === undefined
    ? "whose job runs"
    : `by job ${jobId}`;
  return `"${vm}" on ${hypervisor} since ${since}, ${who}`;
}

function showStray(
  { vm, hypervisor, jobId, since }: LockHolder,
  jobs: readonly ActiveJob[],
): string {
  const where = `the share is locked for "${vm}" on ${hypervisor} since ${since}`;
  if (jobId === undefined) return `${where}, and no job of it runs in Bacula`;
  const isCanceled = jobs.some(({ id, result }) => id === jobId && result === "canceled");
  return `${where} by job ${jobId}, which ${isCanceled ? "is canceled" : "runs no more"} in Bacula`;
}

function wayOut(strays: readonly LockHolder[]): string {
  const cancels = strays.map(({ vm, jobId }) => `vmb ctl cancel ${jobId ?? nameArgument(vm)}`);
  return `If it runs on, end it: ${cancels.join("; ")}; if it died, release its locks: vmb ctl fix`;
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
  for (const { path, holder: { vm, hypervisor, since } } of await namedLocks(machine, site)) {
    const lock = await shareFiles(machine.files, site.nfs.mount, shareTimeoutMs).lock(path);
    if (lock === undefined) continue;
    await lock.release();
    released.push(`${path}: the run of "${vm}" on ${hypervisor} since ${since} is dead`);
  }
  return released;
}

/** The number of a run is that of a process: two hypervisors may have one. */
function runOf({ hypervisor, run }: LockHolder): string {
  return `${hypervisor}/${run}`;
}

/** Each run once: it holds the lock of the site and that of its VM. */
async function lockHolders(
  machine: Pick<Machine, "files">,
  site: Pick<Site, "nfs">,
): Promise<readonly LockHolder[]> {
  const locks = await namedLocks(machine, site);
  return [...new Map(locks.map(({ holder }) => [runOf(holder), holder])).values()];
}

async function namedLocks(
  { files }: Pick<Machine, "files">,
  { nfs }: Pick<Site, "nfs">,
): Promise<readonly NamedLock[]> {
  const share = shareFiles(files, nfs.mount, shareTimeoutMs);
  const folder = locksFolder(nfs.mount);
  const locks: NamedLock[] = [];
  for (const name of await share.list(folder)) {
    if (!name.endsWith(".lock")) continue;
    const path = `${folder}/${name}`;
    const holder = parseLockHolder(await share.readText(path));
    if (holder !== undefined) locks.push({ path, holder });
  }
  return locks;
}
