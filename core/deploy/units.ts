import { VmbError } from "../error.ts";
import { type Completed, runOk, type RunOptions } from "../sys/process.ts";
import type { ControlPlaces, Machine } from "./places.ts";

/** A unit of systemd, as it is now. */
export interface UnitState {
  /** `loaded`, `not-found`, `bad-setting`, `error`. */
  readonly load: string;
  /** `active`, `inactive`, `failed`, `activating`. */
  readonly active: string;
  /** `enabled`, `disabled`; `generated` for a quadlet. */
  readonly file: string;
}

/** Longer than the units' own TimeoutStartSec and TimeoutStopSec together, in milliseconds. */
const changeTimeoutMs = 800_000;

/** The states of units, by name. */
export async function unitStates(
  { processes }: Pick<Machine, "processes">,
  { systemctl }: ControlPlaces,
  units: readonly string[],
): Promise<ReadonlyMap<string, UnitState>> {
  const properties = "--property=Id,LoadState,ActiveState,UnitFileState";
  const { stdout } = await runOk(processes, [...systemctl, "show", properties, "--", ...units]);
  // systemctl keeps the order, and an alias has another Id than it was asked for.
  const blocks = stdout.trim().split(/\n\n+/);
  return new Map(units.map((unit, index) => {
    const block = blocks[index] ?? "";
    const property = (name: string) => new RegExp(`^${name}=(.*)$`, "m").exec(block)?.[1] ?? "";
    return [unit, {
      load: property("LoadState"),
      active: property("ActiveState"),
      file: property("UnitFileState"),
    }];
  }));
}

/** Has systemd read all units again, and podman's generator all quadlets. */
export async function reloadUnits(machine: Pick<Machine, "processes">, places: ControlPlaces) {
  await systemctl(machine, places, ["daemon-reload"], {});
}

/**
 * Starts, restarts or reloads a unit; resolves when it is up, which for a container is when it is healthy.
 *
 * @throws {VmbError} `deploy.unit` with the last lines of its journal
 */
export async function changeUnit(
  machine: Pick<Machine, "processes">,
  places: ControlPlaces,
  verb: "start" | "restart" | "reload" | "stop",
  unit: string,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<void> {
  // A unit that failed too often in a short time would refuse to start.
  if (verb === "start" || verb === "restart") {
    await machine.processes.run([...places.systemctl, "reset-failed", unit]);
  }
  const done = await systemctl(machine, places, [verb, unit], {
    timeoutMs: changeTimeoutMs,
    signal: options.signal,
  }, false);
  if (done.code === 0) return;
  const scope = places.systemctl.slice(1);
  const journal = await machine.processes.run(
    ["journalctl", ...scope, "--unit", unit, "--lines=15", "--output=cat", "--no-pager"],
  ).catch(() => undefined);
  const lines = journal?.stdout.trim().split("\n").slice(-6).join(" | ") ?? "";
  throw new VmbError(`Cannot ${verb} "${unit}": ${lines || done.stderr.trim()}`, {
    code: "deploy.unit",
    hint: `Look at: journalctl ${[...scope, ""].join(" ")}-u ${unit}`,
  });
}

export async function enableUnit(
  machine: Pick<Machine, "processes">,
  places: ControlPlaces,
  unit: string,
): Promise<void> {
  await systemctl(machine, places, ["enable", "--now", unit], {});
}

export async function disableUnit(
  machine: Pick<Machine, "processes">,
  places: ControlPlaces,
  unit: string,
): Promise<void> {
  await systemctl(machine, places, ["disable", "--now", unit], {}, false);
}

async function systemctl(
  { processes }: Pick<Machine, "processes">,
  places: ControlPlaces,
  words: readonly string[],
  options: RunOptions,
  mustSucceed = true,
): Promise<Completed> {
  const argv = [...places.systemctl, ...words] as const;
  return mustSucceed ? await runOk(processes, argv, options) : await processes.run(argv, options);
}
