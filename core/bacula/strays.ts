import type { Inventory } from "../config/inventory.ts";
import type { SiteHypervisor } from "../config/site.ts";
import type { Remote } from "../deploy/remote.ts";
import { toVmbError, VmbError } from "../error.ts";
import type { LiveRun } from "../recovery/live_runs.ts";
import type { Bconsole } from "./bconsole.ts";
import { findJob } from "./job.ts";
import { activeJobs } from "./jobs_now.ts";
import type { JobResult } from "./job_state.ts";
import { sitePlaces } from "./places.ts";

/** A run of vmb whose job has ended in Bacula: the job was canceled elsewhere, or its connection broke. */
export interface Stray {
  readonly hypervisor: string;
  readonly vm: string;
  readonly jobId: number;
  /** How the job ended; `unknown` for one that the catalog does not have. */
  readonly result: JobResult | "unknown";
  readonly since: string;
}

export interface StraySearch {
  readonly strays: readonly Stray[];
  /** Hypervisors that gave no answer, and why. */
  readonly unreachable: readonly { readonly hypervisor: string; readonly problem: string }[];
}

/**
 * Looks for strays on all hypervisors. Bacula starts the next job while one runs on, and that job fails at
 * vmb's lock.
 *
 * @param remote opens the way to a hypervisor
 */
export async function findStrays(
  bconsole: Bconsole,
  { site }: Pick<Inventory, "site">,
  remote: (hypervisor: SiteHypervisor) => Remote,
): Promise<StraySearch> {
  const { vmb } = sitePlaces(site).hypervisor;
  const found = await Promise.all(site.hypervisors.map(async (hypervisor): Promise<StraySearch> => {
    const { name } = hypervisor;
    try {
      const way = remote(hypervisor);
      return { strays: await straysOn(name, bconsole, () => runsOn(way, vmb)), unreachable: [] };
    } catch (thrown) {
      const error = toVmbError(thrown);
      if (error.code.startsWith("bacula.")) throw error;
      return { strays: [], unreachable: [{ hypervisor: name, problem: error.message }] };
    }
  }));
  return {
    strays: found.flatMap(({ strays }) => strays),
    unreachable: found.flatMap(({ unreachable }) => unreachable),
  };
}

async function straysOn(
  hypervisor: string,
  bconsole: Bconsole,
  runs: () => Promise<readonly LiveRun[]>,
): Promise<readonly Stray[]> {
  const suspects: Stray[] = [];
  for (const { vm, jobId, since } of await runs()) {
    if (jobId === null) continue;
    const atHand = (await activeJobs(bconsole)).find(({ id }) => id === jobId);
    const result = (atHand ?? await findJob(bconsole, jobId))?.result ?? "unknown";
    if (result !== "active") suspects.push({ hypervisor, vm, jobId, result, since });
  }
  if (suspects.length === 0) return [];
  // A run that ended between the two questions was none: a job ends after its script.
  const still = await runs();
  return suspects.filter(({ vm, jobId }) =>
    still.some((run) => run.vm === vm && run.jobId === jobId)
  );
}

async function runsOn(way: Remote, vmb: string): Promise<readonly LiveRun[]> {
  const { stdout } = await way.runOk([vmb, "hv", "runs", "--json"]);
  try {
    return (JSON.parse(stdout) as { readonly runs: readonly LiveRun[] }).runs;
  } catch {
    throw new VmbError(`vmb on ${way.name} was not understood`, {
      code: "ssh.answer",
      hint: "It may be of another version: vmb ctl push",
    });
  }
}
