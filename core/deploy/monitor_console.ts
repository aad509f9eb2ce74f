import { VmbError } from "../error.ts";
import { inContainer } from "./containers.ts";
import type { Machine } from "./places.ts";

const hint = "Look at: journalctl -u vmb-director; then run: vmb ctl fix";

/**
 * Asks the Director as the monitor, which can only look.
 *
 * @param command one line for bconsole
 * @returns what came after the greeting
 * @throws {VmbError} `console.no-answer`
 */
export async function askDirector(
  { processes }: Pick<Machine, "processes">,
  command: string,
  { timeoutMs = 120_000 }: { readonly timeoutMs?: number } = {},
): Promise<string> {
  const argv = inContainer(
    "vmb-director",
    ...["bconsole", "-n", "-c", "/etc/vmb-bacula/monitor.conf"],
  );
  const done = await processes.run(argv, { stdin: `${command}\nquit\n`, timeoutMs });
  // bconsole ends with 0 whatever became of the command.
  const greeted = /^1000 OK: .*\n([\s\S]*)$/m.exec(done.stdout);
  if (greeted !== null) return greeted[1] ?? "";
  const tail = (done.stderr.trim() || done.stdout.trim()).split("\n").slice(-2).join(" | ");
  throw new VmbError(`The Director gives bconsole no answer${tail && `: ${tail}`}`, {
    code: "console.no-answer",
    hint,
  });
}

/** A job that the Director runs, or that waits in its queue. */
export interface QueuedJob {
  readonly id: number;
  readonly name: string;
}

/** The jobs that the Director has begun or queued. */
export async function runningJobs(
  machine: Pick<Machine, "processes">,
): Promise<readonly QueuedJob[]> {
  return parseRunningJobs(await askDirector(machine, ".status dir running"));
}

/** Reads the table of `.status dir running`: id, type, level, files, bytes, name, status. */
export function parseRunningJobs(text: string): readonly QueuedJob[] {
  // An Admin job has no level.
  const row = /^ *(\d+) +\S{1,4} +(?:[A-Z]\S* +)?[\d,]+ +[\d.,]+(?: [KMGT])? +(\S+) +\S/gm;
  const rows = text.matchAll(row);
  return [...rows].map(([, id, name]) => ({ id: Number(id), name: name ?? "" }));
}

/**
 * Returns the version that a daemon's status begins with: `15.0.3`.
 *
 * @param name of the daemon, as it calls itself
 */
export function daemonVersion(status: string, name: string): string | undefined {
  const line = status.split("\n").find((line) => line.startsWith(`${name} Version: `));
  return line?.slice(`${name} Version: `.length).split(" ")[0];
}
