import { secretChanges } from "../podman/secrets.ts";
import type { SecretChange } from "../podman/secrets.ts";
import type { ServiceName } from "../podman/service.ts";
import { metadataFolder } from "../repository/layout.ts";
import { shareFiles } from "../sys/share_files.ts";
import type { Desired, DesiredService } from "./desired.ts";
import { type FileChange, fileChanges } from "./file_changes.ts";
import type { ControlPlaces, Machine } from "./places.ts";
import type { DeployRecord } from "./record.ts";
import { type LinkChange, linkChanges } from "./repository_link.ts";
import { unitStates } from "./units.ts";

/** What there is to do about a service. */
export interface ServiceChange {
  readonly service: ServiceName;
  readonly action: "start" | "restart" | "reload";
  /** Why, in words; never empty. */
  readonly because: readonly string[];
}

/** All that a deploy would do, as plain data. */
export interface DeployPlan {
  /** Images that are not on the machine yet. */
  readonly images: readonly string[];
  /** Folders of Bacula on the share that are missing. */
  readonly folders: readonly string[];
  readonly files: readonly FileChange[];
  readonly links: readonly LinkChange[];
  readonly secrets: readonly SecretChange[];
  readonly reloadUnits: boolean;
  /** Whether the catalog is told a new password. */
  readonly databasePassword: boolean;
  /** Whether the tables of the catalog are made or checked. */
  readonly catalog: boolean;
  /** In the order in which they are done. */
  readonly services: readonly ServiceChange[];
  readonly triggers: readonly string[];
  /** Whether an earlier deploy ended before its smoke test had passed. */
  readonly untested: boolean;
}

export function isEmptyPlan(plan: DeployPlan): boolean {
  const { images, folders, files, links, secrets, services, triggers } = plan;
  const lists = [images, folders, files, links, secrets, services, triggers];
  return lists.every(({ length }) => length === 0) &&
    !plan.reloadUnits && !plan.databasePassword && !plan.catalog && !plan.untested;
}

/**
 * Compares the machine with how it shall be; changes nothing.
 *
 * @param options.redeploy makes every container anew, also where nothing changed
 * @throws {VmbError} `deploy.foreign` (exit 6)
 */
export async function planDeploy(
  machine: Machine,
  desired: Desired,
  record: DeployRecord,
  places: ControlPlaces,
  { redeploy = false }: { readonly redeploy?: boolean } = {},
): Promise<DeployPlan> {
  const { files, processes } = machine;
  const changes = await fileChanges(files, desired.files, record);
  const secrets = (await secretChanges(processes, desired.secrets))
    .filter(({ state }) => state !== "same");
  const units = desired.services.map(({ name }) => `${name}.service`);
  const states = await unitStates(machine, places, [...units, ...desired.triggers]);
  const services = desired.services.flatMap((service): readonly ServiceChange[] => {
    const active = states.get(`${service.name}.service`)?.active ?? "";
    const change = serviceChange(service, active, { changes, secrets, record, redeploy });
    return change === undefined ? [] : [change];
  });
  const images: string[] = [];
  for (const image of new Set(desired.services.map(({ image }) => image))) {
    const { code } = await processes.run(["podman", "image", "exists", image]);
    if (code !== 0) images.push(image);
  }
  return {
    images,
    folders: await missingFolders(machine, desired),
    files: changes,
    links: await linkChanges(files, desired, record),
    secrets,
    reloadUnits: !record.unitsLoaded || changes.some(({ path }) => isUnit(path, places)),
    databasePassword: record.databasePassword !== desired.databasePassword,
    catalog: !record.catalog,
    services,
    triggers: desired.triggers.filter((unit) => {
      const state = states.get(unit);
      return state?.active !== "active" || state.file !== "enabled";
    }),
    untested: !record.tested,
  };
}

export function isUnit(path: string, { quadlets, units }: ControlPlaces): boolean {
  return path.startsWith(`${quadlets}/`) || path.startsWith(`${units}/`);
}

function serviceChange(
  service: DesiredService,
  active: string,
  { changes, secrets, record, redeploy }: {
    readonly changes: readonly FileChange[];
    readonly secrets: readonly SecretChange[];
    readonly record: DeployRecord;
    readonly redeploy: boolean;
  },
): ServiceChange | undefined {
  const { name } = service;
  const before = record.services[name];
  const files = changes.filter(({ path }) => service.files.includes(path))
    .map(({ path, kind }) => `${path.slice(path.lastIndexOf("/") + 1)} (${kind})`);
  const given = secrets.filter(({ secret }) => service.secrets.includes(secret.recipe.name))
    .map(({ secret, state }) => `secret ${secret.recipe.name} (${state})`);
  const because = [...files, ...given];
  if (active !== "active") return { service: name, action: "start", because: [`it is ${active}`] };
  if (redeploy) return { service: name, action: "restart", because: ["--redeploy"] };
  if (because.length > 0) return { service: name, action: "restart", because };
  if (before?.restart !== service.restart) {
    return {
      service: name,
      action: "restart",
      because: [
        before === undefined
          ? "it is not known what it was started with"
          : "what it was started with has changed",
      ],
    };
  }
  const edited = changes.some(({ path }) => service.reloadFiles.includes(path));
  if (before.reload === service.reload && !edited) return undefined;
  return { service: name, action: "reload", because: ["its configuration has changed"] };
}

/** How long the share may take for an answer, in milliseconds. */
export const shareTimeoutMs = 15_000;

/** Podman refuses to mount a folder that is not there. */
export function shareFolders({ site }: Pick<Desired, "site">): readonly string[] {
  const bacula = `${metadataFolder(site.nfs.mount)}/bacula`;
  return [bacula, `${bacula}/catalog`];
}

async function missingFolders(
  { files }: Pick<Machine, "files">,
  desired: Desired,
): Promise<readonly string[]> {
  const share = shareFiles(files, desired.site.nfs.mount, shareTimeoutMs);
  const missing: string[] = [];
  for (const folder of shareFolders(desired)) {
    if (await share.inspectTarget(folder) === undefined) missing.push(folder);
  }
  return missing;
}
