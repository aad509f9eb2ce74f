import type { Inventory } from "../config/inventory.ts";
import { exitCodes, VmbError } from "../error.ts";
import type { Report } from "../event.ts";
import type { Clock } from "../sys/clock.ts";
import type { Bconsole } from "./bconsole.ts";
import { consoleLine } from "./console_line.ts";
import { getJob, type Job, jobLog, withMessages } from "./job.ts";
import { showEntry } from "./job_log.ts";
import { activeJobs, jobNames } from "./jobs_now.ts";
import { vmJobName } from "./names.ts";

/**
 * Queues the job of a VM.
 *
 * @param level Bacula's word; `undefined` for that of the job itself, which is full
 * @returns the number of the job
 * @throws {VmbError} `bacula.no-job` (exit 10) when the Director does not know the VM yet; `bacula.already-active`
 *   (exit 11); `bacula.refused`
 */
export async function queueJob(
  bconsole: Bconsole,
  vm: string,
  level: "Full" | "Incremental" | "Differential" | undefined,
): Promise<number> {
  const job = vmJobName(vm);
  // Bacula would show a menu instead, and take what comes next for the choice.
  if (!(await jobNames(bconsole)).includes(job)) {
    throw new VmbError(`Bacula has no job "${job}" for VM "${vm}"`, {
      code: "bacula.no-job",
      exit: exitCodes.notFound,
      hint: "The Director does not have the list as it is now: vmb ctl deploy",
    });
  }
  // Bacula would cancel one of the two.
  const other = (await activeJobs(bconsole)).find((active) => active.job === job);
  if (other !== undefined) {
    throw new VmbError(`Job ${other.id} of VM "${vm}" ${other.state}`, {
      code: "bacula.already-active",
      exit: exitCodes.locked,
      hint: `Look at it: vmb ctl log ${other.id}; end it: vmb ctl cancel ${other.id}`,
    });
  }
  const [answer = ""] = await bconsole.say(
    consoleLine(
      "run",
      ["job", job],
      ...(level === undefined ? [] : [["level", level] as const]),
      "yes",
    ),
  );
  const [, id] = /^Job queued\. JobId=(\d+)$/m.exec(answer) ?? [];
  if (id !== undefined) return Number(id);
  throw new VmbError(
    `Bacula did not queue the job of VM "${vm}": ${
      answer.split("\n").filter(Boolean).slice(-3).join(" | ")
    }`,
    { code: "bacula.refused" },
  );
}

/** How long the Director may be away while a job is waited for: it may be restarted. */
const patienceMs = 180_000;

/**
 * Waits until a job has ended, and tells its messages as they come.
 *
 * @throws {VmbError} `bacula.unreachable` when the Director stays away; the signal's reason
 */
export async function waitForJob(
  bconsole: Bconsole,
  id: number,
  { clock, report, signal }: {
    readonly clock: Clock;
    readonly report: Report;
    readonly signal: AbortSignal;
  },
): Promise<Job> {
  let told = 0;
  let lastAnswer = clock.monotonic();
  for (let round = 0;; round++) {
    try {
      // In this order: what the job said last is there when it has ended.
      const job = await getJob(bconsole, id);
      const log = await jobLog(bconsole, id);
      log.slice(told).forEach((entry) => report({ kind: "info", text: showEntry(entry) }));
      told = log.length;
      if (job.result !== "active") return withMessages(job, log);
      lastAnswer = clock.monotonic();
    } catch (error) {
      const away = error instanceof VmbError && error.code === "bacula.unreachable";
      if (!away || clock.monotonic() - lastAnswer > patienceMs) throw error;
    }
    await clock.sleep(Math.min(500 * (round + 1), 5000), signal);
  }
}

/** The VM whose backups a job makes; `undefined` for every other job. */
export function vmOfJob({ vms }: Pick<Inventory, "vms">, job: string): string | undefined {
  return vms.find(({ name }) => vmJobName(name) === job)?.name;
}
