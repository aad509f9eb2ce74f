import type { Inventory } from "../config/inventory.ts";
import type { VmEntry } from "../config/vm_list.ts";
import { VmbError } from "../error.ts";
import type { Clock } from "../sys/clock.ts";
import type { Bconsole } from "./bconsole.ts";
import { consoleLine } from "./console_line.ts";
import { daemonVersion } from "./daemon_version.ts";
import { jobNoteSql } from "./job_note.ts";
import { parseCount } from "./job_state.ts";
import { clientName, resourceNames, vmJobName } from "./names.ts";
import { queueJob } from "./run_job.ts";
import { type ScheduleTime, scheduleTimes } from "./schedule_times.ts";
import { scheduleName, siteSchedules } from "./schedules.ts";

/** A VM whose turn has come in this cycle, and for which nothing was begun on its hypervisor. */
export interface MissedVm {
  readonly vm: VmEntry;
  /** When its turn came, and the level that its schedule has for it. */
  readonly due: ScheduleTime;
}

/** So long after its turn a job is in the catalog, if it will ever be: the Director asks for its catalog half a minute. */
const graceMs = 10 * 60_000;

/** A VM that Bacula cannot begin so often has a fault that another try does not mend. */
const attempts = 6;

/** Asks the catalog in SQL: through a console, or the database itself. Rows are lines. */
export type AskCatalog = (sql: string) => Promise<string>;

/**
 * Finds the VMs that this cycle passed over: a Director that cannot reach its catalog forgets the jobs of that
 * minute, and a job whose Storage or File Daemon is away ends before its script begins.
 */
export async function missedVms(
  ask: AskCatalog,
  { site, vms }: Pick<Inventory, "site" | "vms">,
  clock: Pick<Clock, "now">,
): Promise<readonly MissedVm[]> {
  const now = clock.now().getTime();
  const from = new Date(now - site.cycle.maxRunHours * 3_600_000);
  const until = new Date(now - graceMs);
  const own = siteSchedules(site);
  const turns = vms.flatMap((vm): readonly MissedVm[] => {
    const runs = own.get(scheduleName(vm.schedule) ?? "") ?? [];
    const due = scheduleTimes(runs, { timeZone: site.timeZone, from, until }).at(-1);
    return due === undefined ? [] : [{ vm, due }];
  }).sort((a, b) => a.vm.priority - b.vm.priority);
  const [first] = turns;
  if (first === undefined) return [];
  // All turns of a cycle are one time.
  const known = await jobsSince(ask, first.due.at, site.timeZone);
  return turns.filter(({ vm }) => {
    const jobs = known.get(vmJobName(vm.name));
    return jobs === undefined || (!jobs.begun && jobs.count < attempts);
  });
}

/** What was queued again, and for which VMs that has no sense yet. */
export interface CaughtUp {
  readonly queued: readonly { readonly vm: string; readonly jobId: number }[];
  readonly left: readonly { readonly vm: string; readonly because: string }[];
}

/**
 * Queues the jobs of VMs that this cycle passed over, where what they need answers again: every other try would
 * only be one more failure.
 */
export async function catchUp(
  bconsole: Bconsole,
  inventory: Pick<Inventory, "site" | "vms">,
  clock: Pick<Clock, "now">,
): Promise<CaughtUp> {
  const ask: AskCatalog = async (sql) => (await bconsole.say(`.sql query="${sql}"`))[0] ?? "";
  const missed = await missedVms(ask, inventory, clock);
  if (missed.length === 0) return { queued: [], left: [] };
  const storage = await answers(bconsole, "storage", resourceNames.storage, {
    as: resourceNames.storageDaemon,
  });
  const fileDaemons = new Map<string, boolean>();
  const queued: { vm: string; jobId: number }[] = [];
  const left: { vm: string; because: string }[] = [];
  for (const { vm: { name: vm, hypervisor }, due } of missed) {
    const client = clientName(hypervisor);
    if (storage && !fileDaemons.has(client)) {
      fileDaemons.set(client, await answers(bconsole, "client", client, { as: client }));
    }
    const because = !storage
      ? "the Storage Daemon gives no answer"
      : !fileDaemons.get(client)
      ? `the File Daemon of ${hypervisor} gives no answer`
      : undefined;
    if (because !== undefined) {
      left.push({ vm, because });
      continue;
    }
    try {
      queued.push({ vm, jobId: await queueJob(bconsole, vm, due.level) });
    } catch (error) {
      if (!(error instanceof VmbError) || error.code === "bacula.unreachable") throw error;
      left.push({ vm, because: error.message });
    }
  }
  return { queued, left };
}

async function answers(
  bconsole: Bconsole,
  kind: "storage" | "client",
  resource: string,
  { as }: { readonly as: string },
): Promise<boolean> {
  const [answer = ""] = await bconsole.say(consoleLine("status", [kind, resource]));
  return daemonVersion(answer, as) !== undefined;
}

interface JobsSince {
  readonly count: number;
  /** Whether one of them waits, runs, or began its script; or gave way to another job of the VM. */
  readonly begun: boolean;
}

async function jobsSince(
  ask: AskCatalog,
  since: Date,
  timeZone: string,
): Promise<ReadonlyMap<string, JobsSince>> {
  // The Director writes the times of its clock, to the second, and may be ahead of this one.
  const local = Temporal.Instant.fromEpochMilliseconds(since.getTime() - 60_000)
    .toZonedDateTimeISO(timeZone).toPlainDateTime().toString({ smallestUnit: "second" });
  const begun = `J.JobStatus NOT IN ('T', 'W', 'D', 'e', 'A', 'f', 'E', 'I') ` +
    `OR ${jobNoteSql} = 'duplicate' OR EXISTS (SELECT 1 FROM Log L WHERE L.JobId = J.JobId ` +
    `AND L.LogText LIKE '%: run ClientBeforeJob %')`;
  // A console prints rows without an end.
  const answer = await ask(
    `SELECT concat_ws('|', J.Name, count(*), bool_or(${begun})) || chr(10) ` +
      `FROM Job J WHERE J.SchedTime >= '${local.replace("T", " ")}' GROUP BY J.Name`,
  );
  return new Map(
    answer.split("\n").map((line) => line.trim()).filter(Boolean).map((line) => {
      const [name = "", count, begun, ...rest] = line.split("|");
      if (rest.length > 0 || (begun !== "t" && begun !== "f")) {
        throw new VmbError(`Bacula's console was not understood: ${line}`, {
          code: "bacula.answer",
        });
      }
      return [name, { count: parseCount(count), begun: begun === "t" }];
    }),
  );
}
