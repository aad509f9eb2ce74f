import type { RunState } from "../journal/run_states.ts";
import { type Check, type CheckVerdict, failed, passed } from "./check.ts";

/** Checks that fail of what a run of ours has on a domain, or left there. */
const consequences = [
  ...["no-snapshots", "no-overlays", "no-block-jobs", "disks", "guest-agent"],
  ...["vm-own-disks", "vm-thawed"],
];

const name = "runs";

/**
 * Puts before the checks of a VM whether a run of vmb works on it, or was killed there. What follows from that is
 * not said as somebody else's doing: a block job that is ended by hand would make it worse.
 *
 * @param states of all runs of this hypervisor
 */
export function withRuns(
  checks: readonly Check[],
  states: readonly RunState[],
  vm: string,
): readonly Check[] {
  const verdict = runsVerdict(states.filter((each) => each.vm === vm), vm);
  const ours = { name, run: () => verdict };
  if (verdict.outcome === "ok") return [ours, ...checks];
  return [
    ours,
    ...checks.map((check): Check =>
      consequences.includes(check.name)
        ? { name: check.name, run: async () => explained(await check.run()) }
        : check
    ),
  ];
}

function runsVerdict(states: readonly RunState[], vm: string): CheckVerdict {
  const named = (state: RunState["state"]) =>
    states.filter((each) => each.state === state).map(({ run }) => run).join(", ");
  const killed = named("killed");
  if (killed !== "") {
    return failed(
      `run ${killed} of "${vm}" was killed, and what it left is there`,
      "Run: vmb hv recover",
    );
  }
  const alive = named("alive");
  if (alive !== "") return failed(`run ${alive} works on "${vm}"`, "Wait for its end");
  return passed("none works on it, none was killed");
}

function explained(verdict: CheckVerdict): CheckVerdict {
  return verdict.outcome === "failed"
    ? { outcome: "skipped", detail: `${verdict.detail}; ${name} says why` }
    : verdict;
}
