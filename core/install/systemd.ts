import type { System } from "../sys/system.ts";
import type { Argv } from "../sys/process.ts";
import { places } from "./places.ts";
import type { PlannedChange } from "./plan.ts";
import { type TimerName, timerNames, timerPaths } from "./timers.ts";

/** Whether systemd manages this machine (sd_booted(3)); it never manages what lies below a prefix. */
export async function systemdRuns(
  { files }: Pick<System, "files">,
  root: string,
): Promise<boolean> {
  return root === "" && await files.inspect("/run/systemd/system") !== undefined;
}

/** What systemd must be told about changed units, and about timers that do not run. */
export async function timerSteps(
  system: Pick<System, "files" | "processes">,
  root: string,
  timers: readonly TimerName[],
  changes: readonly PlannedChange[],
): Promise<{ readonly before: readonly Argv[]; readonly after: readonly Argv[] }> {
  if (!await systemdRuns(system, root)) return { before: [], after: [] };
  const changed = changes.filter(({ change, path }) =>
    change !== "keep" && path.startsWith(`${places.units}/`)
  );
  const isChanged = (path: string) => changed.some((each) => each.path === path);
  const gone = timerNames.filter((name) =>
    changed.some(({ change, path }) => change === "remove" && path === timerPaths(name).enabled)
  );
  const after: Argv[] = changed.length > 0 ? [["systemctl", "daemon-reload"]] : [];
  for (const name of timers) {
    const { unit, timer } = timerPaths(name);
    if (isChanged(timer)) {
      // Of the timer alone: a service that it started goes on.
      after.push(["systemctl", "restart", unit]);
      continue;
    }
    const { code } = await system.processes.run(["systemctl", "is-active", "--quiet", unit]);
    if (code !== 0) after.push(["systemctl", "start", unit]);
  }
  return {
    before: gone.map((name) => ["systemctl", "stop", timerPaths(name).unit] as const),
    after,
  };
}
