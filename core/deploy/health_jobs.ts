import { type JobNote, jobNoteSql } from "../bacula/job_note.ts";
import { resourceNames, vmJobName } from "../bacula/names.ts";
import { type CheckVerdict, failed, passed, warned } from "../checks/check.ts";
import type { VmEntry } from "../config/vm_list.ts";
import { queryCatalog } from "./catalog.ts";
import { inContainer } from "./containers.ts";
import type { Machine } from "./places.ts";

/** The last run of a job, as the catalog has it. */
export interface LastRun {
  readonly job: string;
  readonly id: number;
  /** Bacula's letter: T is done, W done with warnings, f, E and A are not. */
  readonly status: string;
  readonly errors: number;
  /** Seconds since it was to start. */
  readonly age: number;
  readonly note: JobNote;
}

/** Days after which a run is overdue: its period, the length of a cycle, and a day. */
const overdueDays = { weekly: 10, biweekly: 17, monthly: 38 } as const;

/** The last run of each job that has ended. Its own clock tells the ages: its times have no zone. */
const lastRuns = `SELECT coalesce(json_agg(row_to_json(run)), '[]') FROM (
  SELECT DISTINCT ON (name) name AS job, jobid AS id, jobstatus AS status, joberrors AS errors,
    extract(epoch FROM localtimestamp - schedtime)::bigint AS age, ${jobNoteSql} AS note
  FROM job J WHERE type IN ('B', 'D') AND jobstatus IN ('T', 'W', 'e', 'E', 'f', 'A', 'I')
    AND ${jobNoteSql} <> 'duplicate'
  ORDER BY name, jobid DESC) AS run;`;

/** A failure that the Director's hook noted: the catalog may not have been there to hear of it. */
export interface FailureNote {
  readonly jobId: number;
  readonly job: string;
  readonly status: string;
}

/** A failure of a job that is no VM's is told for this time, in seconds: the job may be gone. */
const recent = 38 * 86_400;

/** The results of the last cycle: each VM's last backup, and those of the jobs around them. */
export async function jobResults(
  machine: Pick<Machine, "processes">,
  vms: readonly VmEntry[],
): Promise<CheckVerdict> {
  const runs = JSON.parse(await queryCatalog(machine, lastRuns)) as readonly LastRun[];
  return judgeRuns(runs, vms, await failureNotes(machine));
}

/** Reads what templates/bacula/job-failed.sh wrote. */
async function failureNotes(
  { processes }: Pick<Machine, "processes">,
): Promise<readonly FailureNote[]> {
  const list = "find /var/lib/bacula/failed -name '[0-9]*.json' -exec cat {} + 2>/dev/null";
  const done = await processes.run(inContainer("vmb-director", "sh", "-c", list));
  return done.stdout.split("\n").filter((line) => line.startsWith("{")).flatMap((line) => {
    try {
      return [JSON.parse(line) as FailureNote];
    } catch {
      // A name that JSON cannot hold as it is; the catalog has it too.
      return [];
    }
  });
}

export function judgeRuns(
  runs: readonly LastRun[],
  vms: readonly VmEntry[],
  notes: readonly FailureNote[] = [],
): CheckVerdict {
  const judged = new Set<string>();
  const failures: string[] = [];
  const warnings: string[] = [];
  let hint: string | undefined;

  function judge(what: string, job: string, days: number | undefined): void {
    judged.add(job);
    const run = runs.find((each) => each.job === job);
    if (run === undefined) {
      if (days !== undefined) warnings.push(`${what} has never run`);
      return;
    }
    const { id, status, errors, age, note } = run;
    if (note === "made") {
      failures.push(`${what} is backed up, but Bacula did not record it (job ${id})`);
      hint ??= `Run: vmb ctl log ${id}; the backup itself is good: nothing is lost with it`;
    } else if (!["T", "W"].includes(status)) {
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
  for (const { job, age } of runs) {
    if (!judged.has(job) && age < recent) judge(`the job "${job}"`, job, undefined);
  }
  for (const { jobId, job, status } of notes) {
    const last = runs.find((each) => each.job === job)?.id ?? 0;
    // What the catalog knows of, or has seen a later run of, is judged above.
    if (jobId > last) failures.push(`the job "${job}" ended with: ${status} (job ${jobId})`);
  }
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
