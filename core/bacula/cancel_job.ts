import type { Inventory } from "../config/inventory.ts";
import { inventoryHypervisor, inventoryVm } from "../config/inventory_vm.ts";
import type { Remote } from "../ssh/remote.ts";
import type { SiteHypervisor } from "../config/site.ts";
import type { Clock } from "../sys/clock.ts";
import { commandFailed, showArgv } from "../sys/process.ts";
import { exitCodes, toVmbError, VmbError } from "../error.ts";
import type { Bconsole } from "./bconsole.ts";
import { consoleLine } from "./console_line.ts";
import { getJob } from "./job.ts";
import { jobHistory } from "./job_history.ts";
import { activeJobs } from "./jobs_now.ts";
import { vmJobName } from "./names.ts";
import { sitePlaces } from "./places.ts";
import { vmOfJob } from "./run_job.ts";

/** What was ended. */
export interface Cancellation {
  readonly jobId: number;
  readonly job: string;
  /** `undefined` for a job that backs up no VM of the inventory. */
  readonly vm: string | undefined;
  readonly hypervisor: string | undefined;
  /** Whether the job was canceled now; one that has ended keeps its result. */
  readonly canceled: boolean;
  /** Whether a run of vmb was stopped on the hypervisor. */
  readonly stopped: boolean;
}

/**
 * Cancels a job in Bacula, and stops what it runs on the hypervisor: Bacula lets the scripts of a canceled job
 * run to their end. A job that ended in Bacula, and whose script runs on, is stopped too.
 *
 * @param options with `remote`, which opens the way to a hypervisor
 * @throws {VmbError} `bacula.no-job` (exit 10); what the hypervisor said when its run was not stopped
 */
export async function cancelJob(
  bconsole: Bconsole,
  id: number,
  inventory: Inventory,
  { remote, clock, signal }: {
    readonly remote: (hypervisor: SiteHypervisor) => Remote;
    readonly clock: Clock;
    readonly signal: AbortSignal;
  },
): Promise<Cancellation> {
  const job = await getJob(bconsole, id);
  const canceled = job.result === "active";
  const vm = vmOfJob(inventory, job.job);
  const result = { jobId: id, job: job.job, vm, hypervisor: undefined, canceled, stopped: false };
  const said = canceled ? await sayCancel(bconsole, id) : "";
  if (vm === undefined) {
    if (canceled) await waitForEnd(bconsole, id, { said, clock, signal });
    return result;
  }
  const { hypervisor } = inventoryVm(inventory, vm);
  const way = remote(inventoryHypervisor(inventory, hypervisor));
  const { vmb } = sitePlaces(inventory.site).hypervisor;
  const stop = () => stopThere(way, vmb, { vm, id, ended: !canceled });
  let stopped = await stop();
  if (canceled) {
    await waitForEnd(bconsole, id, { said, clock, signal });
    // The File Daemon may have started it after it was looked for.
    if (!stopped) stopped = await stop();
  }
  return { ...result, hypervisor, stopped };
}

/** @returns whether there was a run to stop */
async function stopThere(
  way: Remote,
  vmb: string,
  { vm, id, ended }: { readonly vm: string; readonly id: number; readonly ended: boolean },
): Promise<boolean> {
  const completed = await way.run([vmb, "hv", "cancel", vm, "--job-id", String(id)], {
    timeoutMs: 400_000,
  }).catch((thrown) => {
    const { message, hint } = toVmbError(thrown);
    const state = ended ? "has ended" : "is canceled";
    throw new VmbError(
      `Job ${id} ${state} in Bacula, but may still run on ${way.name}: ${message}`,
      {
        code: "bacula.may-run-on",
        hint,
        cause: thrown,
      },
    );
  });
  if (completed.code === exitCodes.notFound) return false;
  if (completed.code === exitCodes.ok) return true;
  throw commandFailed(
    completed,
    `Try again on ${way.name}: ${showArgv(["vmb", "hv", "cancel", vm, "--job-id", String(id)])}`,
  );
}

async function sayCancel(bconsole: Bconsole, id: number): Promise<string> {
  const [answer = ""] = await bconsole.say(consoleLine("cancel", ["jobid", String(id)], "yes"));
  return answer.split("\n").at(-1) ?? "";
}

/** How long the Director may take to end a job that it was told to cancel. */
const patienceMs = 60_000;

/** The answer to `cancel` is no proof: the job has ended when the catalog says so. */
async function waitForEnd(
  bconsole: Bconsole,
  id: number,
  { said, clock, signal }: {
    readonly said: string;
    readonly clock: Clock;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const until = clock.monotonic() + patienceMs;
  while ((await getJob(bconsole, id)).result === "active") {
    if (clock.monotonic() > until) {
      throw new VmbError(`Bacula did not cancel job ${id}: ${said}`, { code: "bacula.refused" });
    }
    await clock.sleep(300, signal);
  }
}

/**
 * Finds the job of a VM that there is something to cancel of: the one that waits or runs, else the last one,
 * whose script may run on.
 *
 * @throws {VmbError} `bacula.no-job` (exit 10)
 */
export async function jobToCancel(
  bconsole: Bconsole,
  { site }: Inventory,
  vm: string,
): Promise<number> {
  const name = vmJobName(vm);
  const active = (await activeJobs(bconsole)).find(({ job }) => job === name);
  if (active !== undefined) return active.id;
  const history = await jobHistory(bconsole, { days: 7, timeZone: site.timeZone });
  const last = history.findLast(({ job }) => job === name);
  if (last !== undefined) return last.id;
  throw new VmbError(`VM "${vm}" has no job that waits, runs, or ran in the last 7 days`, {
    code: "bacula.no-job",
    exit: exitCodes.notFound,
  });
}
