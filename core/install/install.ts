import { exitCodes, VmbError } from "../error.ts";
import type { System } from "../sys/system.ts";
import { fileDaemonSteps } from "./file_daemon.ts";
import { findLeftovers } from "./leftovers.ts";
import { places } from "./places.ts";
import {
  type Answers,
  type CompareOptions,
  compareUnwanted,
  compareWanted,
  type InstallPlan,
  type PlannedChange,
} from "./plan.ts";
import { readProgram } from "./program.ts";
import { readPushed } from "./pushed.ts";
import { readRecord } from "./record.ts";
import { programLabel, relabelSteps } from "./selinux.ts";
import { systemdRuns, timerSteps } from "./systemd.ts";
import { type TimerName, timerNames, timerPaths, timerUnits } from "./timers.ts";
import { type Wanted, wantedInstallation } from "./wanted.ts";

export interface InstallOptions {
  /** Prefix of all paths; empty for this machine. */
  readonly root: string;
  /** Folder of files that `vmb ctl push` brought. */
  readonly from: string | undefined;
  /** Optional timers; `undefined` leaves them as they are. */
  readonly timers: readonly TimerName[] | undefined;
  readonly answers: Answers;
}

/**
 * Plans the installation of the program that runs, and of all that belongs to it. Nothing is changed.
 *
 * @throws {VmbError} `install.source` when no built program runs, `install.privilege` (exit 5); of
 *   `readPushed`
 */
export async function planInstall(system: System, options: InstallOptions): Promise<InstallPlan> {
  const { files, host } = system;
  const { root, from, answers } = options;
  assertPrivilege(system, root);
  const record = await readRecord(files, root);
  const timers = timerNames.filter((name) =>
    name === "recover" || (options.timers ?? record.timers).includes(name)
  );
  const wanted = wantedInstallation({
    program: await readProgram(system),
    timers,
    pushed: from === undefined ? [] : await readPushed(system, from),
  });
  const compare: CompareOptions = { root, record, answers, uid: host.uid() };
  const changes: PlannedChange[] = [];
  for (const each of wanted) changes.push(await compareWanted(files, each, compare));
  for (const each of otherTimers(timers)) {
    const removal = await compareUnwanted(files, each, compare);
    // Without a record of ours, a unit of that name is somebody's own.
    if (removal && record.ours[each.path] !== undefined) changes.push(removal);
  }
  const label = await programLabel(system, root);
  const units = await timerSteps(system, root, timers, changes);
  const daemon = await fileDaemonSteps(system, root, changes);
  return {
    ...{ root, changes, wanted, timers, label },
    leftovers: await findLeftovers(files, root, wanted.map(({ path }) => path)),
    before: units.before,
    after: [
      ...await relabelSteps(system, root, label, changes),
      ...units.after,
      ...daemon.steps,
    ],
    notes: [...await bootNotes(system, root), ...daemon.notes],
  };
}

/** Changes about which somebody has to be asked. */
export function openQuestions({ changes }: InstallPlan): readonly PlannedChange[] {
  return changes.filter(({ question }) => question);
}

/** Whether applying the plan would do anything. */
export function changesAnything(plan: InstallPlan): boolean {
  return plan.changes.some(({ change }) => change !== "keep") || plan.before.length > 0 ||
    plan.after.length > 0 || plan.leftovers.length > 0;
}

/** @throws {VmbError} `install.changed-files` (exit 2) that names the files and the flags */
export function assertAnswered(plan: InstallPlan): void {
  const open = openQuestions(plan);
  if (open.length === 0) return;
  throw new VmbError(
    `Changed on this machine since vmb installed them, or by somebody else: ${
      open.map(({ path }) => path).join(", ")
    }`,
    {
      code: "install.changed-files",
      exit: exitCodes.usage,
      hint:
        `Nothing was changed. --dry-run shows the differences; --yes replaces them, and keeps ` +
        `what was there in ${places.replaced}; --keep-all leaves them`,
    },
  );
}

export function assertPrivilege({ host }: Pick<System, "host">, root: string): void {
  if (root !== "" || host.uid() === 0) return;
  throw new VmbError(`Installation on this machine needs root, and this is user ${host.uid()}`, {
    code: "install.privilege",
    exit: exitCodes.missing,
    hint: "Run it with sudo; --root installs below a folder of your own",
  });
}

function otherTimers(timers: readonly TimerName[]): readonly Wanted[] {
  return timerNames.filter((name) => !timers.includes(name)).flatMap(timerParts);
}

/** All that a timer consists of, the link that enables it first: so it is also removed. */
export function timerParts(name: TimerName): readonly Wanted[] {
  const { timer: target, enabled } = timerPaths(name);
  return [
    { kind: "link", path: enabled, target },
    ...timerUnits(name).map(({ path, content }) =>
      ({ kind: "file", path, content, mode: 0o644, example: false, pristine: [] }) as const
    ),
  ];
}

async function bootNotes(
  system: Pick<System, "files" | "processes">,
  root: string,
): Promise<readonly string[]> {
  if (root !== "" || await systemdRuns(system, root)) return [];
  return ["systemd does not run here: call vmb hv recover at boot and every few minutes"];
}
