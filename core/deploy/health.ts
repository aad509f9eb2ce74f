import type { Bconsole } from "../bacula/bconsole.ts";
import { givingUp } from "../bacula/bconsole.ts";
import { missedVms } from "../bacula/missed.ts";
import {
  type Check,
  type CheckResult,
  type CheckVerdict,
  failed,
  passed,
  runChecks,
  warned,
} from "../checks/check.ts";
import type { Report } from "../event.ts";
import type { VmEntry } from "../config/vm_list.ts";
import { formatBytes } from "../format/bytes.ts";
import { certificatePaths, readCertificate } from "../pki/certificate.ts";
import { certificateProblems } from "../pki/certificate_problem.ts";
import { type ServiceName, services } from "../podman/service.ts";
import { shareFiles } from "../sys/share_files.ts";
import type { System } from "../sys/system.ts";
import { apiWorks, webAnswers, webLogin } from "./bacularis_check.ts";
import { queryCatalog } from "./catalog.ts";
import { containerState } from "./containers.ts";
import { type DeploySources, desiredState } from "./desired.ts";
import { fileDaemon } from "./health_file_daemon.ts";
import { jobResults } from "./health_jobs.ts";
import { stuckJobs } from "./health_stuck.ts";
import { heldLocks } from "./health_locks.ts";
import type { ControlPlaces } from "./places.ts";
import { planDeploy, shareTimeoutMs } from "./plan.ts";
import { type PodmanInfo, podmanInfo, shareMountPoint } from "./preflight.ts";
import { readRecord } from "./record.ts";
import { catalog, checksAtOnce, director, storage, storageWritable } from "./smoke.ts";
import { unitStates } from "./units.ts";

export interface HealthContext {
  readonly system: System;
  /** Asks the Director. */
  readonly bconsole: Bconsole;
  readonly places: ControlPlaces;
  readonly sources: DeploySources;
  readonly vms: readonly VmEntry[];
}

/** Looks whether the next cycle can run, and whether the last one was good. */
export async function checkHealth(
  context: HealthContext,
  report: Report,
  { missing }: { readonly missing?: "failed" } = {},
): Promise<readonly CheckResult[]> {
  return await runChecks(healthChecks(context), report, {
    limit: checksAtOnce,
    ...(missing !== undefined && { missing }),
  });
}

/** All that must be so for the next cycle to run, and for the last one to have been good. */
export function healthChecks(context: HealthContext): readonly Check[] {
  const { system, sources, vms } = context;
  const { site } = sources;
  const bconsole = givingUp(context.bconsole);
  // Asked once for two checks.
  let asked: Promise<PodmanInfo> | undefined;
  const info = () => asked ??= podmanInfo(system);
  const certificate = certificatePaths(sources.repository).certificate;
  return [
    ...services.map((name): Check => ({ name, run: () => container(context, name) })),
    { name: "runtime", run: async () => runtime(context, await info()) },
    { name: "director", run: () => director(bconsole) },
    { name: "catalog", run: () => catalog(system) },
    { name: "storage", run: () => storage(bconsole) },
    { name: "share", run: () => share(context) },
    { name: "storage-writable", run: () => storageWritable(system) },
    { name: "share-space", run: () => shareSpace(context) },
    { name: "disk", run: async () => disk(context, await info()) },
    { name: "api", run: () => apiWorks(system, sources) },
    { name: "web-https", run: () => webAnswers(system, { site, certificate }) },
    { name: "web-login", run: () => webLogin(system, { ...sources, certificate }) },
    { name: "certificate", run: () => certificateState(context) },
    ...site.hypervisors.map((hypervisor): Check => ({
      name: `fd-${hypervisor.name}`,
      run: () => fileDaemon(system, bconsole, hypervisor),
    })),
    { name: "jobs", run: () => jobResults(system, vms) },
    { name: "cycle", run: () => passedOver(context) },
    { name: "stuck", run: () => stuckJobs(system, bconsole) },
    { name: "locks", run: () => heldLocks(system, bconsole, site) },
    { name: "drift", run: () => drift(context) },
    { name: "repository", run: () => repository(context) },
  ];
}

/** A cycle that began without some of its VMs leaves nothing else to see, before they are overdue. */
async function passedOver(
  { system, sources: { site }, vms }: HealthContext,
): Promise<CheckVerdict> {
  const missed = await missedVms(
    (sql) => queryCatalog(system, `${sql};`),
    { site, vms },
    system.clock,
  );
  if (missed.length === 0) return passed("no VM was passed over");
  const names = missed.map(({ vm }) => `"${vm.name}"`).join(", ");
  return failed(`nothing began for ${names} in this cycle`, "Run: vmb ctl run --missed");
}

async function container(
  { system, places }: HealthContext,
  name: ServiceName,
): Promise<CheckVerdict> {
  const unit = `${name}.service`;
  const state = (await unitStates(system, places, [unit])).get(unit);
  const hint = "Run: vmb ctl fix";
  if (state?.load !== "loaded") return failed(`there is no unit "${unit}"`, "Run: vmb ctl deploy");
  if (state.active !== "active") return failed(`the unit is ${state.active}`, hint);
  const found = await containerState(system, name);
  if (found === undefined) return failed("there is no container", hint);
  if (found.status !== "running") return failed(`the container is ${found.status}`, hint);
  return found.health === "healthy"
    ? passed("running and healthy")
    : failed(`the container is ${found.health || "without a health check"}`, hint);
}

/** After an upgrade to RHEL 10, containers may still want runc, which is gone. */
async function runtime(
  { system }: HealthContext,
  { runtime }: PodmanInfo,
): Promise<CheckVerdict> {
  const others: string[] = [];
  for (const name of services) {
    const used = (await containerState(system, name))?.runtime ?? "";
    if (used !== "" && used !== "crun") others.push(name);
  }
  if (runtime !== "crun") {
    return failed(`podman's runtime is ${runtime}: expected crun`, "Run: vmb ctl fix");
  }
  return others.length === 0
    ? passed("crun")
    : failed(`other than crun: ${others.join(", ")}`, "Run: vmb ctl fix");
}

async function share({ system, sources: { site } }: HealthContext): Promise<CheckVerdict> {
  const mount = await shareMountPoint(system, site);
  if (mount === undefined) return failed(`"${site.nfs.mount}" is not mounted`, "Run: vmb ctl fix");
  return mount.readonly
    ? failed(`"${mount.point}" is mounted read-only`, `Run: mount -o remount,rw ${mount.point}`)
    : passed(`${mount.source} on ${mount.point}`);
}

async function shareSpace(context: HealthContext): Promise<CheckVerdict> {
  const { system, sources: { site } } = context;
  if (await shareMountPoint(system, site) === undefined) {
    return { outcome: "skipped", detail: "the share is not mounted" };
  }
  const space = await shareFiles(system.files, site.nfs.mount, shareTimeoutMs).space(
    site.nfs.mount,
  );
  return spaceVerdict(space, `on the share "${site.nfs.mount}"`);
}

async function disk(
  { system }: HealthContext,
  { graphRoot }: PodmanInfo,
): Promise<CheckVerdict> {
  return spaceVerdict(await system.files.space(graphRoot), `for containers in "${graphRoot}"`);
}

function spaceVerdict(
  { free, total }: { readonly free: number; readonly total: number },
  where: string,
): CheckVerdict {
  const percent = Math.floor(100 * free / Math.max(1, total));
  const detail = `${formatBytes(free)} (${percent}%) free ${where}`;
  if (percent < 3) return failed(detail, "Make room");
  return percent < 10 ? warned(detail, "Make room soon") : passed(detail);
}

async function certificateState({ system, sources }: HealthContext): Promise<CheckVerdict> {
  const { files, clock } = system;
  const { control } = sources.site;
  const certificate = await readCertificate(files, sources.repository);
  if (certificate === undefined) return failed("there is none", "Run: vmb ctl certs");
  const names = [...new Set([control.host, ...control.addresses])];
  const problems = certificateProblems({ ...certificate, names, now: clock.now() });
  const first = problems.find(({ severity }) => severity === "error") ?? problems[0];
  if (first === undefined) return passed(`for ${names.join(", ")}`);
  const verdict = first.severity === "error" ? failed : warned;
  return verdict(first.message, first.hint);
}

/** What the next deploy would change is what is not as git says. */
async function drift({ system, places, sources }: HealthContext): Promise<CheckVerdict> {
  const record = await readRecord(system.files, places.state);
  const plan = await planDeploy(system, desiredState(sources, places), record, places);
  const different = [
    ...plan.files.map(({ path, kind }) => `${path} (${kind})`),
    ...plan.links.map(({ path }) => `${path} (link)`),
    ...plan.secrets.map(({ secret, state }) => `secret ${secret.recipe.name} (${state})`),
    ...plan.services.filter(({ action }) => action !== "start")
      .map(({ service, because }) => `${service}: ${because.join(", ")}`),
    ...plan.triggers.map((unit) => `${unit} does not run`),
  ];
  const hint = "See it with: vmb ctl deploy --dry-run";
  if (different.length > 0) {
    const more = different.length > 4 ? `; ${different.length - 4} more` : "";
    return failed(
      `not as in the repository: ${different.slice(0, 4).join("; ")}${more}`,
      hint,
    );
  }
  return plan.untested
    ? failed("the last deploy did not end", "Run: vmb ctl deploy")
    : passed("as in the repository");
}

async function repository({ system, sources }: HealthContext): Promise<CheckVerdict> {
  const argv = ["git", "-C", sources.repository, "status", "--porcelain"] as const;
  const status = await system.processes.run(argv).catch(() => undefined);
  if (status === undefined || status.code !== 0) {
    const said = status?.stderr.trim().split("\n")[0] ?? "git is not installed";
    return { outcome: "skipped", detail: `not asked: ${said}` };
  }
  const count = status.stdout.split("\n").filter((line) => line !== "").length;
  return count === 0 ? passed("all is committed") : warned(
    `${count === 1 ? "1 file is" : `${count} files are`} not committed`,
    "What is not in git is lost with this machine: git add, git commit, git push",
  );
}
