import type { Bconsole } from "../bacula/bconsole.ts";
import { activeJobs } from "../bacula/jobs_now.ts";
import { exitCodes, VmbError } from "../error.ts";
import type { Report } from "../event.ts";
import { applySecrets } from "../podman/secrets.ts";
import { runOk } from "../sys/process.ts";
import { shareFiles } from "../sys/share_files.ts";
import { ensureCatalog, setDatabasePassword } from "./catalog.ts";
import { testConfigs } from "./config_tests.ts";
import { type DeploySources, type Desired, digest } from "./desired.ts";
import type { ControlPlaces, Machine } from "./places.ts";
import { type DeployPlan, type ServiceChange, shareTimeoutMs } from "./plan.ts";
import { type DeployRecord, writeRecord } from "./record.ts";
import { notesFolder } from "./tell_failures.ts";
import { changeUnit, enableUnit, reloadUnits } from "./units.ts";

export interface ApplyContext {
  readonly machine: Machine;
  readonly bconsole: Bconsole;
  readonly places: ControlPlaces;
  readonly sources: DeploySources;
  readonly desired: Desired;
  readonly report: Report;
  /** Between two steps the run may be ended; the next one goes on. */
  readonly signal?: AbortSignal | undefined;
  /** Bring the catalog back from its dump. */
  readonly redeploy: boolean;
}

/**
 * Does what a plan says. First what changes nothing that runs (images, tests); then the record gives up what is
 * about to change, so that an interrupted run is seen as such; then files, secrets and services.
 *
 * @returns the record, in which only the smoke test is missing
 * @throws {VmbError} `deploy.busy` (exit 11) when a job runs whose daemon must restart, and others of each step
 */
export async function applyPlan(
  context: ApplyContext,
  plan: DeployPlan,
  before: DeployRecord,
): Promise<DeployRecord> {
  const { machine, bconsole, places, sources, desired, report, signal } = context;
  const { files, processes } = machine;
  let record = before;

  async function save(changes: Partial<DeployRecord>): Promise<void> {
    record = { ...record, ...changes };
    await writeRecord(files, places.state, record);
    signal?.throwIfAborted();
  }

  await assertIdle(bconsole, plan.services);
  for (const image of plan.images) {
    report({ kind: "info", text: `Pulling ${image}` });
    await runOk(processes, ["podman", "pull", "--quiet", image], { timeoutMs: 3600_000, signal });
  }
  await testConfigs(
    machine,
    desired,
    sources,
    plan.services.map(({ service }) => service),
    { places, units: plan.reloadUnits },
  );

  await save(pending(record, plan));
  const share = shareFiles(files, desired.site.nfs.mount, shareTimeoutMs);
  for (const folder of plan.folders) await share.makeFolder(folder, { mode: 0o750 });
  // Podman refuses to mount a folder that is not there; the Director's hook writes into it.
  await files.makeFolder(notesFolder(places.state).untold, { mode: 0o700 });
  for (const { path, file } of plan.files) {
    if (file === undefined) {
      await files.remove(path);
      await files.syncFolder(folderOf(path));
      continue;
    }
    await files.makeFolder(folderOf(path), { mode: 0o755 });
    await files.write(path, file.content, { mode: file.mode });
  }
  for (const { path, target } of plan.links) await files.makeLink(path, target);
  await applySecrets(processes, plan.secrets, { ...(signal !== undefined && { signal }) });
  await save({ files: digests(desired), repositories: [desired.repositoryLink.target] });
  if (plan.reloadUnits) {
    await reloadUnits(machine, places);
    await save({ unitsLoaded: true });
  }

  const database = plan.services.find(({ service }) => service === "vmb-postgres");
  if (database !== undefined) await change(database);
  if (plan.databasePassword) {
    report({ kind: "info", text: "Telling the catalog its password" });
    await setDatabasePassword(machine, sources.secrets.get("DB_PASSWORD") ?? "");
    await save({ databasePassword: desired.databasePassword });
  }
  if (plan.catalog) {
    await ensureCatalog(machine, desired, { restore: context.redeploy, report });
    await save({ catalog: true });
  }
  for (const service of plan.services) {
    if (service !== database) await change(service);
  }
  for (const unit of plan.triggers) await enableUnit(machine, places, unit);
  return record;

  async function change(planned: ServiceChange): Promise<void> {
    const { service, action, because } = planned;
    // A job may have begun since the plan was made.
    await assertIdle(bconsole, [planned]);
    report({ kind: "info", text: `${verbs[action]} ${service}: ${because.join(", ")}` });
    await changeUnit(machine, places, action, `${service}.service`, { signal });
    const wanted = desired.services.find(({ name }) => name === service);
    if (wanted === undefined) return;
    const { restart, reload } = wanted;
    await save({ services: { ...record.services, [service]: { restart, reload } } });
  }
}

const verbs = { start: "Starting", restart: "Restarting", reload: "Reloading" } as const;

/** What is about to change is no longer known; what is about to be written is ours from now on. */
function pending(record: DeployRecord, plan: DeployPlan): Partial<DeployRecord> {
  const services = { ...record.services };
  for (const { service, action } of plan.services) {
    const known = services[service];
    if (action === "reload" && known !== undefined) services[service] = { ...known, reload: "" };
    else delete services[service];
  }
  const files = { ...record.files };
  for (const { path, kind } of plan.files) {
    if (kind === "create") files[path] = "";
  }
  return {
    files,
    services,
    repositories: [...record.repositories, ...plan.links.map(({ target }) => target)],
    databasePassword: plan.databasePassword ? "" : record.databasePassword,
    unitsLoaded: record.unitsLoaded && !plan.reloadUnits,
    tested: false,
  };
}

function digests({ files }: Desired): Readonly<Record<string, string>> {
  return Object.fromEntries([...files].map(([path, { content }]) => [path, digest(content)]));
}

/**
 * Director and Storage Daemon lose the jobs that they run when they end; so does the Director without its catalog.
 * A job that failed or was canceled counts until the Director has ended it. A Director that is not up, or gives no
 * answer, runs none that could be kept.
 *
 * @throws {VmbError} `deploy.busy` (exit 11)
 */
export async function assertIdle(
  bconsole: Bconsole,
  changes: readonly Pick<ServiceChange, "service" | "action">[],
): Promise<void> {
  const ending = changes.filter(({ service, action }) =>
    action === "restart" && holdsJobs(service)
  );
  const [first] = ending;
  if (first === undefined) return;
  const jobs = await activeJobs(bconsole).catch((error) => {
    if (error instanceof VmbError && error.code === "bacula.unreachable") return [];
    throw error;
  });
  if (jobs.length === 0) return;
  const names = jobs.map(({ id, job }) => `${job} (job ${id})`).join(", ");
  throw new VmbError(`Cannot restart ${first.service} while jobs run: ${names}`, {
    code: "deploy.busy",
    exit: exitCodes.locked,
    hint: "Run it again when they have ended: vmb ctl jobs",
  });
}

function holdsJobs(service: string): boolean {
  return ["vmb-postgres", "vmb-director", "vmb-storage"].includes(service);
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}
