import type { Inventory } from "../config/inventory.ts";
import type { PastJob } from "./job_history.ts";
import { vmOfJob } from "./run_job.ts";
import type { ScheduledJob } from "./scheduled_jobs.ts";
import { priorities } from "./service_jobs.ts";

/** A job that will run, and what is expected of it. */
export interface ForecastJob extends ScheduledJob {
  /** `null` for a job that backs up no VM. */
  readonly vm: string | null;
  /** Of earlier jobs; `null` when none ended well. */
  readonly expectedSeconds: number | null;
  readonly beginsAt: Date;
  readonly endsAt: Date;
}

/** All jobs that are scheduled for one time, as they will run. */
export interface Forecast {
  readonly at: Date;
  /** In the order in which they begin. */
  readonly jobs: readonly ForecastJob[];
  /** When the last VM is backed up; `null` when there is none among the jobs. */
  readonly vmsEndAt: Date | null;
  /** When Bacula cancels what has not begun. */
  readonly limit: Date;
  readonly suffices: boolean;
  /** VMs of which it is not known how long they take; they count as if they took no time. */
  readonly withoutHistory: readonly string[];
}

/** Tells when scheduled jobs will begin and end, from how long such jobs took before. */
export function forecast(
  scheduled: readonly ScheduledJob[],
  history: readonly PastJob[],
  inventory: Inventory,
): readonly Forecast[] {
  const byTime = Map.groupBy(scheduled, ({ at }) => at.getTime());
  return [...byTime.entries()].sort(([a], [b]) => a - b).map(([time, group]) => {
    const { concurrency, cycle } = inventory.site;
    const expected = group.map((job) => ({
      ...job,
      vm: vmOfJob(inventory, job.job) ?? null,
      expectedSeconds: expectedSeconds(job, history),
    }));
    const order = new Map(inventory.vms.map(({ name, priority }) => [name, priority]));
    const place = ({ vm }: Expected) => (vm === null ? undefined : order.get(vm)) ?? 0;
    expected.sort((a, b) => a.priority - b.priority || place(a) - place(b));
    const jobs = inOrder(expected, time, concurrency);
    const ofVms = jobs.filter(({ vm }) => vm !== null);
    const end = Math.max(...ofVms.map(({ endsAt }) => endsAt.getTime()));
    const limit = time + cycle.maxRunHours * 3_600_000;
    return {
      at: new Date(time),
      jobs,
      vmsEndAt: ofVms.length === 0 ? null : new Date(end),
      limit: new Date(limit),
      suffices: ofVms.length === 0 || end <= limit,
      withoutHistory: ofVms.flatMap(({ vm, expectedSeconds }) =>
        vm !== null && expectedSeconds === null ? [vm] : []
      ),
    };
  });
}

/** Jobs that are looked at: VMs grow, and what they took long ago says little. */
const recent = 5;

/** The median of the last jobs that ended well, of the same level if there are any. */
function expectedSeconds(
  { job, level }: ScheduledJob,
  history: readonly PastJob[],
): number | null {
  const good = history.filter((past) =>
    past.job === job && (past.result === "ok" || past.result === "warnings")
  );
  const same = good.filter((past) => past.level === level);
  const taken = (same.length > 0 ? same : good).flatMap(({ beganAt, endedAt }) =>
    beganAt === undefined || endedAt === undefined
      ? []
      : [(endedAt.getTime() - beganAt.getTime()) / 1000]
  ).slice(-recent).sort((a, b) => a - b);
  return taken[Math.floor(taken.length / 2)] ?? null;
}

type Expected = Omit<ForecastJob, "beginsAt" | "endsAt">;

/**
 * Lets the jobs run as the Director's queue does (dird/jobq.c): at most `concurrency` of them at once, and one on
 * each hypervisor. Those that wait are looked at by priority; beside a job that runs begins one of its priority, or
 * a better one when both may mix; the first that may not holds all after it.
 */
function inOrder(
  jobs: readonly Expected[],
  start: number,
  concurrency: number,
): readonly ForecastJob[] {
  const waiting = [...jobs];
  const begun: ForecastJob[] = [];
  let now = start;
  while (waiting.length > 0) {
    const running = begun.filter(({ endsAt }) => endsAt.getTime() > now);
    const next = running.length < concurrency ? startable(waiting, running) : -1;
    if (next === -1) {
      now = Math.min(...running.map(({ endsAt }) => endsAt.getTime()));
      continue;
    }
    for (const job of waiting.splice(next, 1)) {
      const endsAt = new Date(now + (job.expectedSeconds ?? 0) * 1000);
      begun.push({ ...job, beginsAt: new Date(now), endsAt });
    }
  }
  return begun;
}

function startable(waiting: readonly Expected[], running: readonly Expected[]): number {
  const lead = running[0]?.priority ?? waiting[0]?.priority ?? 0;
  // Both have `mixedPriority`.
  const mixing = running.length > 0 &&
    running.every(({ vm, priority }) => vm !== null || priority === priorities.testRestore);
  for (const [index, job] of waiting.entries()) {
    const better = job.vm !== null && job.priority < lead && mixing;
    if (job.priority !== lead && !better) return -1;
    // A job of the Director alone has no client.
    if (job.client === "" || running.every(({ client }) => client !== job.client)) return index;
  }
  return -1;
}
