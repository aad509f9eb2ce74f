import { showArgv } from "../sys/process.ts";
import { type InstallPlan, type PlannedChange } from "./plan.ts";

/** A plan as it is shown, and as `--json` prints it: without contents. */
export interface DescribedPlan {
  readonly root: string;
  /** What is or would be changed, or was asked about; nothing of it is the same as before. */
  readonly changes: readonly Omit<PlannedChange, "mode" | "takenFrom">[];
  readonly commands: readonly string[];
  readonly notes: readonly string[];
}

export function describePlan({ root, changes, before, after, notes }: InstallPlan): DescribedPlan {
  return {
    root,
    changes: changes.filter(({ change, declined }) => change !== "keep" || declined)
      .map(({ mode: _, takenFrom: __, ...shown }) => shown),
    commands: [...before, ...after].map(showArgv),
    notes,
  };
}

/** One line about a change that is or would be made. */
export function describeChange(
  { change, declined, path, kind, from, to, mode, takenFrom }: PlannedChange,
): string {
  const corrected = [
    ...(mode === undefined ? [] : [`mode ${mode.toString(8).padStart(4, "0")}`]),
    ...(takenFrom === undefined ? [] : [`owner, was user ${takenFrom}`]),
  ].join(", ");
  const detail = declined
    ? ", changed on this machine"
    : change === "update" && from === to
    ? `: ${corrected}`
    : change === "create" && kind === "link"
    ? ` ${to}`
    : "";
  return `${change} ${path}${detail}`;
}
