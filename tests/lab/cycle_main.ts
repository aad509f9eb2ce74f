import { runOk, systemProcesses } from "../../core/sys/process.ts";
import { type CycleRow, openCycle } from "./bacula_cycle.ts";
import { sideBySide } from "./cycle_beside.ts";
import { clockChanges, sixtyWeeks } from "./cycle_clock.ts";
import { cycleFaults } from "./cycle_faults.ts";

/**
 * Cycles of real daemons, in real time: `deno task lab:cycle`, or with the names of what to try: of faults, and
 * `concurrency`, `weeks`, `clock`. All run at once; they wait more than they work. Needs root, `mmdebstrap`, a
 * PostgreSQL, and for the last two `libfaketime`.
 */
const others: Readonly<Record<string, () => Promise<string>>> = {
  concurrency: async () =>
    (await Promise.all([1, 2, 3].map((count) => sideBySide(count)))).join("\n"),
  weeks: async () => `sixty weeks\n${await sixtyWeeks()}`,
  clock: async () => {
    const starts = ["Sunday 2:30", "Sunday 3:15", "Sunday 12:00"];
    return `both changes of the clock\n${(await Promise.all(starts.map(clockChanges))).join("\n")}`;
  },
};

/** A cycle of five VMs on two hypervisors while something fails: which scripts ran, and how long all took. */
async function runFault(name: string): Promise<string> {
  const fault = cycleFaults[name];
  if (fault === undefined) throw new Error(`No such fault: ${name}`);
  const cycle = await openCycle();
  try {
    await fault.before?.(cycle);
    // Some faults hold a cycle for good.
    const patience = { deadlineMs: 3_600_000 };
    const over = cycle.over(patience).catch((error) => {
      console.log(`${name}: not over after an hour: ${error.message}`);
      return Number.NaN;
    });
    const [seconds] = await Promise.all([over, fault.during?.(cycle)]);
    const told = report(`${name}: ${fault.what}`, await cycle.rows(), seconds);
    if (fault.mend === undefined || Number.isNaN(seconds)) return told;
    await fault.mend(cycle);
    // What the timer does every hour.
    const { queued, left } = await cycle.catchUp();
    await Promise.all(queued.map(({ jobId }) => cycle.site.ended(jobId, 600_000)));
    return `${told}\n${report("  mended, then run --missed", await cycle.rows(), 0)}` +
      left.map(({ vm, because }) => `\n  ${vm}: left, for ${because}`).join("");
  } finally {
    // That of a fault with a file system of its own.
    await runOk(systemProcesses, ["umount", "--lazy", "--quiet", cycle.archive]).catch(() => {});
    await cycle[Symbol.asyncDispose]();
  }
}

function report(title: string, rows: readonly CycleRow[], seconds: number): string {
  const ran = rows.filter(({ ended }) => ended !== undefined).length;
  return [
    `${title}: ${ran} of ${rows.length} scripts ran, ${seconds} s`,
    ...rows.map(({ vm, began, ended, status, job }) =>
      `  ${vm}  ${clock(began)} - ${clock(ended)}  job ${job ?? "-"} ${status ?? "-"}`
    ),
  ].join("\n");
}

function clock(seconds: number | undefined): string {
  return (seconds === undefined ? "-" : seconds.toFixed(1)).padStart(7);
}

const names = Deno.args.length > 0
  ? Deno.args
  : [...Object.keys(cycleFaults), ...Object.keys(others)];
const outcomes = await Promise.all(names.map(async (name) => {
  try {
    console.log(await (others[name]?.() ?? runFault(name)));
    return true;
  } catch (error) {
    console.log(`${name}: ${error instanceof Error ? error.stack : error}`);
    return false;
  }
}));
if (outcomes.includes(false)) Deno.exit(1);
