import { resourceNames, vmJobName } from "../bacula/names.ts";
import { type CheckVerdict, failed, passed, warned } from "../checks/check.ts";
import type { VmEntry } from "../config/vm_list.ts";
import type { Machine } from "./places.ts";
import { queryCatalog } from "./catalog.ts";

/** The last run of a job, as the catalog has it. */
export interface LastRun {
  readonly job: string;
  readonly id: number;
  /** Bacula's letter: T is done, W done with warnings, f, E and A are not. */
  readonly status: string;
  readonly errors: number;
  /** Seconds since it was to start. */
  readonly age: number;
}

/** Days after which a run is overdue: its period, the length of a cycle, and a day. */
const overdueDays = { weekly: 10, biweekly: 17, monthly: 38 } as const;

/** The last run of each job that has ended. Its own clock tells the ages: its times have no zone. */
const lastRuns = `SELECT coalesce(json_agg(row_to_json(run)), '[]') FROM (
  SELECT DISTINCT ON (name) name AS job, jobid AS id, jobstatus AS status, joberrors AS errors,
    extract(epoch FROM localtimestamp - schedtime)::bigint AS age
  FROM job WHERE type = 'B' AND jobstatus IN ('T', 'W', 'e', 'E', 'f', 'A', 'I')
  ORDER BY name, jobid DESC) AS run;`;

/** The results of the last cycle: each VM's last backup, and that of the catalog. */
export async function jobResults(
  machine: Pick<Machine, "processes">,
  vms: readonly VmEntry[],
): Promise<CheckVerdict> {
  return judgeRuns(JSON.parse(await queryCatalog(machine, lastRuns)) as readonly LastRun[], vms);
}

export function judgeRuns(runs: readonly LastRun[], vms: readonly VmEntry[]): CheckVerdict {
  const failures: string[] = [];
  const warnings: string[] = [];
  let hint: string | undefined;

  function judge(what: string, job: string, days: number | undefined): void {
    const run = runs.find((each) => each.job === job);
    if (run === undefined) {
      if (days !== undefined) warnings.push(`${what} has never run`);
      return;
    }
    const { id, status, errors, age } = run;
    if (!["T", "W"].includes(status)) {
      failures.push(`${what} ${statusWords[status] ?? `ended with ${status}`} (job ${id})`);
      hint ??= `Run: vmb ctl log ${id}`;
    } else if (days !== undefined && age > days * 86_400) {
      failures.push(`${what} ran ${Math.floor(age / 86_400)} days ago`);
      hint ??= "Run: vmb ctl schedule; was this machine down when the cycle began?";
    } else if (status === "W" || errors > 0) {
      warnings.push(`${what} ended with warnings (job ${id})`);
      hint ??= `Run: vmb ctl log ${id}`;
    }
  }

  for (const { name, schedule } of vms) {
    const days = schedule === "manual" ? undefined : overdueDays[schedule];
    judge(`"${name}"`, vmJobName(name), days);
  }
  judge("the dump of the catalog", resourceNames.catalogJob, overdueDays.weekly);
  const all = [...failures, ...warnings].join("; ");
  if (failures.length > 0) return failed(all, hint);
  return warnings.length > 0 ? warned(all, hint) : passed(`${vms.length} VMs, last run good`);
}

const statusWords: Readonly<Record<string, string>> = {
  f: "failed",
  E: "failed",
  A: "was canceled",
  I: "is incomplete",
};
