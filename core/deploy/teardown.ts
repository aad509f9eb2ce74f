import type { Bconsole } from "../bacula/bconsole.ts";
import { exitCodes, VmbError } from "../error.ts";
import type { Report } from "../event.ts";
import { quoted } from "../format/quoted.ts";
import { networks } from "../podman/quadlets.ts";
import { secretRecipes } from "../podman/secret_recipe.ts";
import { services } from "../podman/service.ts";
import { runOk } from "../sys/process.ts";
import { assertIdle } from "./apply.ts";
import { digest, triggerUnits } from "./desired.ts";
import { withDeployLock } from "./deploy.ts";
import type { ControlPlaces, Machine } from "./places.ts";
import { emptyRecord, readRecord, recordPath, writeRecord } from "./record.ts";
import { removeLink } from "./repository_link.ts";
import { changeUnit, disableUnit, reloadUnits, unitStates } from "./units.ts";

export interface TeardownOutcome {
  readonly files: readonly string[];
  /** Files of ours that somebody changed since; they stay. */
  readonly kept: readonly string[];
  readonly secrets: readonly string[];
  /** Volumes that were removed, with what was in them. */
  readonly purged: readonly string[];
}

/**
 * Takes the services off this machine. The volumes stay, the catalog among them, and the share is never touched:
 * another deploy goes on where this one ended.
 *
 * @param options.volumes to remove too, with all that is in them
 * @throws {VmbError} `deploy.busy` (exit 11) while jobs run
 */
export async function teardown(
  machine: Machine,
  places: ControlPlaces,
  { bconsole, volumes, report }: {
    readonly bconsole: Bconsole;
    readonly volumes: readonly string[];
    readonly report: Report;
  },
): Promise<TeardownOutcome> {
  const { files, processes } = machine;
  return await withDeployLock(machine, places.state, async () => {
    await assertIdle(bconsole, services.map((service) => ({ service, action: "restart" })));
    const record = await readRecord(files, places.state);
    // Whatever happens from here on, the next deploy starts everything anew.
    const { repositories } = record;
    await writeRecord(files, places.state, { ...emptyRecord, files: record.files, repositories });
    for (const unit of triggerUnits) await disableUnit(machine, places, unit);
    const units = services.map((name) => `${name}.service`);
    const states = await unitStates(machine, places, units);
    for (const unit of units.toReversed()) {
      if (states.get(unit)?.load !== "loaded") continue;
      report({ kind: "info", text: `Stopping ${unit}` });
      await changeUnit(machine, places, "stop", unit);
    }
    const removed: string[] = [];
    const kept: string[] = [];
    for (const [path, written] of Object.entries(record.files)) {
      if (await files.inspect(path) === undefined) continue;
      const untouched = written === digest(await files.readText(path));
      (untouched ? removed : kept).push(path);
      if (untouched) await files.remove(path);
    }
    const link = await removeLink(files, places.repository, record);
    if (link !== undefined) (link === "removed" ? removed : kept).push(places.repository);
    await reloadUnits(machine, places);
    const secrets = await removeSecrets(machine);
    await processes.run(["podman", "network", "rm", "--force", ...Object.keys(networks)]);
    const purged: string[] = [];
    for (const volume of volumes) {
      if ((await processes.run(["podman", "volume", "exists", volume])).code !== 0) continue;
      report({ kind: "info", text: `Removing the volume ${volume}` });
      await runOk(processes, ["podman", "volume", "rm", volume]);
      purged.push(volume);
    }
    await files.remove(recordPath(places.state));
    return { files: removed, kept, secrets, purged };
  });
}

async function removeSecrets({ processes }: Machine): Promise<readonly string[]> {
  const removed: string[] = [];
  for (const { name } of secretRecipes) {
    if ((await processes.run(["podman", "secret", "exists", name])).code !== 0) continue;
    await runOk(processes, ["podman", "secret", "rm", name]);
    removed.push(name);
  }
  return removed;
}

/**
 * Which volumes to remove: none, unless both is said, that data shall go and whose.
 *
 * @throws {VmbError} `usage.purge` (exit 2)
 */
export function volumesToPurge(
  { purge, confirm, site, tree }: {
    readonly purge: boolean;
    readonly confirm: string | undefined;
    readonly site: string;
    readonly tree: ReadonlyMap<string, unknown>;
  },
): readonly string[] {
  if (!purge) return [];
  if (confirm !== site) {
    throw new VmbError(
      confirm === undefined
        ? "Cannot remove data without a confirmation"
        : `Cannot remove the data of ${quoted(confirm)}: this site is ${quoted(site)}`,
      {
        code: "usage.purge",
        exit: exitCodes.usage,
        hint:
          "The catalog would be lost; if that is wanted: --purge-data --confirm 'NAME OF THE SITE'",
      },
    );
  }
  return [...tree.keys()].flatMap((path) => /^quadlets\/(.+)\.volume$/.exec(path)?.[1] ?? []);
}
