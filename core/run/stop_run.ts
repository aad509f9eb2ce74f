import { exitCodes, VmbError } from "../error.ts";
import type { System } from "../sys/system.ts";
import { type LiveRun, liveRuns } from "../journal/live_runs.ts";

/**
 * Stops the backup of a VM that a job of Bacula started here: it undoes what it began, and is waited for.
 * Nothing but a living run of that VM for that job gets a signal.
 *
 * @param patienceMs how long to wait for its end
 * @throws {VmbError} `run.not-found` (exit 10); `run.not-ended` when it is still undoing
 */
export async function stopRun(
  { system, stateFolder, vm, jobId, signal, patienceMs }: {
    readonly system: Pick<System, "clock" | "files" | "host">;
    readonly stateFolder: string;
    readonly vm: string;
    readonly jobId: number;
    readonly signal: AbortSignal;
    readonly patienceMs: number;
  },
): Promise<LiveRun> {
  const { clock, files, host } = system;

  async function find(): Promise<LiveRun | undefined> {
    const runs = await liveRuns(files, stateFolder);
    return runs.find((run) => run.vm === vm && run.jobId === jobId);
  }

  const found = await find();
  if (found === undefined) {
    throw new VmbError(`No backup of "${vm}" for job ${jobId} runs on this hypervisor`, {
      code: "run.not-found",
      exit: exitCodes.notFound,
      hint: "List what runs here: vmb hv runs",
    });
  }
  host.kill(found.pid, "SIGTERM");
  const until = clock.monotonic() + patienceMs;
  while (await find() !== undefined) {
    if (clock.monotonic() > until) {
      throw new VmbError(
        `The backup of "${vm}" (pid ${found.pid}) was told to stop, and has not ended yet`,
        {
          code: "run.not-ended",
          hint: "It undoes what it began; look again with: vmb hv runs",
        },
      );
    }
    await clock.sleep(200, signal);
  }
  return found;
}
