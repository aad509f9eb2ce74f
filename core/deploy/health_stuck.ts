import type { Bconsole } from "../bacula/bconsole.ts";
import { activeJobs } from "../bacula/jobs_now.ts";
import { type CheckVerdict, failed, passed } from "../checks/check.ts";
import { VmbError } from "../error.ts";
import { queryCatalog } from "./catalog.ts";
import type { Machine } from "./places.ts";

/** A job that failed ends within minutes: the Director waits for its daemons, for each in turn. */
const patienceSeconds = 15 * 60;

/**
 * Looks for jobs that failed and do not end. One whose catalog went away while it stored never does: Bacula's own
 * limits pass it by, and with it all that waits.
 */
export async function stuckJobs(
  machine: Pick<Machine, "processes">,
  bconsole: Bconsole,
): Promise<CheckVerdict> {
  const active = await activeJobs(bconsole).catch((error) => {
    // Another check tells.
    if (error instanceof VmbError && error.code === "bacula.unreachable") return undefined;
    throw error;
  });
  if (active === undefined) return { outcome: "skipped", detail: "the Director gives no answer" };
  const doomed = active.filter(({ result }) => result === "failed");
  if (doomed.length === 0) return passed("no job that failed stays");
  const ids = doomed.map(({ id }) => id).join(", ");
  const silent = await queryCatalog(
    machine,
    `SELECT J.JobId FROM Job J WHERE J.JobId IN (${ids}) AND coalesce((SELECT max(L.Time) FROM Log L ` +
      `WHERE L.JobId = J.JobId), J.SchedTime) < localtimestamp - interval '${patienceSeconds} s' ` +
      `ORDER BY J.JobId;`,
  );
  const stuck = doomed.filter(({ id }) => silent.split("\n").includes(String(id)));
  if (stuck.length === 0) return passed("no job that failed stays");
  return failed(
    `${
      stuck.map(({ id, job }) => `job ${id} (${job})`).join(", ")
    } failed and does not end: all others wait`,
    "Run: systemctl restart vmb-director; then: vmb ctl run --missed",
  );
}
