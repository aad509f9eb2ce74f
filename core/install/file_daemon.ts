import type { Argv } from "../sys/process.ts";
import { jobScopes } from "../run/own_scope.ts";
import type { System } from "../sys/system.ts";
import { places } from "./places.ts";
import type { PlannedChange } from "./plan.ts";
import { systemdRuns } from "./systemd.ts";

const unit = "bacula-fd.service";

/**
 * What makes Bacula's File Daemon read a changed configuration. It reads it only when it starts (it ignores
 * SIGHUP, so that `systemctl reload` does nothing), and a restart ends what its jobs run: so it is restarted
 * when it runs nothing, and else by a later installation.
 */
export async function fileDaemonSteps(
  system: Pick<System, "files" | "processes">,
  root: string,
  changes: readonly PlannedChange[],
): Promise<{ readonly steps: readonly Argv[]; readonly notes: readonly string[] }> {
  const nothing = { steps: [], notes: [] };
  const paths = [places.fileDaemonConfig, places.fileDaemonPassword];
  const ours = changes.filter(({ path }) => paths.some((each) => each === path));
  if (ours.length === 0 || !await systemdRuns(system, root)) return nothing;
  const isChanged = ours.some(({ change }) => change !== "keep");
  const daemon = await daemonState(system);
  if (daemon === undefined) {
    return isChanged
      ? { ...nothing, notes: [`${unit} does not run: install and start it`] }
      : nothing;
  }
  const isOld = (await Promise.all(paths.map((path) => system.files.inspectTarget(path))))
    // A time that cannot be told counts as old, too.
    .some((info) => info !== undefined && !(info.modified <= daemon.since));
  if (!isChanged && !isOld) return nothing;
  if (!daemon.busy) return { ...nothing, steps: [["systemctl", "restart", unit]] };
  return {
    ...nothing,
    notes: [
      `${unit} runs a job, and takes its new configuration when it is restarted: ` +
      "install again when the job has ended",
    ],
  };
}

/** What it started lives in a scope of its own; its job fails when the daemon ends. */
async function runsJob({ processes }: Pick<System, "processes">): Promise<boolean> {
  const list = ["systemctl", "list-units", "--plain", "--no-legend", jobScopes] as const;
  return (await processes.run(list)).stdout.trim() !== "";
}

/**
 * When its start began, in milliseconds, and whether it runs a program; `undefined` when it does not run. Whole
 * seconds would not do: its files are often written in the very second in which it is restarted.
 */
async function daemonState(
  { files, processes }: Pick<System, "files" | "processes">,
): Promise<{ readonly since: number; readonly busy: boolean } | undefined> {
  const { stdout } = await processes.run([
    ...["systemctl", "show", "--timestamp=us+utc"] as const,
    ...["--property=ActiveState,InactiveExitTimestamp,ControlGroup", unit],
  ]);
  const properties = new Map(
    stdout.split("\n").map((line) => {
      const equals = line.indexOf("=");
      return [line.slice(0, equals), line.slice(equals + 1)] as const;
    }),
  );
  if (properties.get("ActiveState") !== "active") return undefined;
  const since = parseTimestamp(properties.get("InactiveExitTimestamp") ?? "");
  const group = properties.get("ControlGroup") ?? "";
  const pids = await files.readText(`/sys/fs/cgroup${group}/cgroup.procs`).catch(() => "");
  // The daemon itself is one process with many threads; without an answer, it is left alone.
  const isAlone = /^\d+$/.test(pids.trim());
  return { since, busy: !isAlone || await runsJob({ processes }) };
}

/** Of `systemctl show --timestamp=us+utc`: "Sun 2026-11-22 14:04:35.595606 UTC", as milliseconds; else NaN. */
function parseTimestamp(text: string): number {
  const [, day, time] = text.match(/(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d\.\d{3})\d* UTC$/) ?? [];
  return Date.parse(`${day}T${time}Z`);
}
