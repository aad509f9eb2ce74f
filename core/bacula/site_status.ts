import type { Inventory } from "../config/inventory.ts";
import type { Clock } from "../sys/clock.ts";
import type { Bconsole } from "./bconsole.ts";
import { lastJobs, type PastJob } from "./job_history.ts";
import { madeBackup } from "./job_state.ts";
import { type ActiveJob, activeJobs } from "./jobs_now.ts";
import { vmJobName } from "./names.ts";

/** What Bacula has to say of a VM. */
export interface VmStatus {
  readonly vm: string;
  readonly hypervisor: string;
  readonly schedule: string;
  /** The last job that ended; `null` when there is none. */
  readonly last: PastJob | null;
  /** The last job that made a backup. */
  readonly lastGood: PastJob | null;
  /** Seconds since its end. */
  readonly ageSeconds: number | null;
}

export interface SiteStatus {
  readonly active: readonly (ActiveJob & { readonly vm: string | null })[];
  /** In the order of the inventory. */
  readonly vms: readonly VmStatus[];
}

/** Asks what waits and runs, and when each VM was last backed up. */
export async function siteStatus(
  bconsole: Bconsole,
  { site, vms }: Inventory,
  clock: Pick<Clock, "now">,
): Promise<SiteStatus> {
  const active = await activeJobs(bconsole);
  const jobs = await lastJobs(bconsole, site);
  const now = clock.now().getTime();
  return {
    active: active.map((job) => ({
      ...job,
      vm: vms.find(({ name }) => vmJobName(name) === job.job)?.name ?? null,
    })),
    vms: vms.map(({ name, hypervisor, schedule }) => {
      const ended = jobs.filter(({ job, result }) =>
        job === vmJobName(name) && result !== "active" && result !== "superseded"
      );
      const good = ended.findLast(({ result }) => madeBackup(result));
      return {
        vm: name,
        hypervisor,
        schedule,
        last: ended.at(-1) ?? null,
        lastGood: good ?? null,
        ageSeconds: good?.endedAt === undefined
          ? null
          : Math.max(0, Math.round((now - good.endedAt.getTime()) / 1000)),
      };
    }),
  };
}
