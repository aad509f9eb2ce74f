import type { Bconsole } from "../bacula/bconsole.ts";
import { assertPassed, type CheckResult, runChecks } from "../checks/check.ts";
import { exitCodes, VmbError } from "../error.ts";
import type { Report } from "../event.ts";
import { certificatePaths } from "../pki/certificate.ts";
import { applyPlan } from "./apply.ts";
import { type DeploySources, desiredState } from "./desired.ts";
import { controlPlaces, type Machine } from "./places.ts";
import { type DeployPlan, isEmptyPlan, planDeploy } from "./plan.ts";
import { preflightChecks } from "./preflight.ts";
import { readRecord, writeRecord } from "./record.ts";
import { checksAtOnce, smokeChecks, waitForHealth } from "./smoke.ts";

export interface DeployOptions {
  /** Asks the Director, whether it is there or not yet. */
  readonly bconsole: Bconsole;
  /** Make every container anew, and bring back the catalog from its dump where it is empty. */
  readonly redeploy: boolean;
  readonly dryRun: boolean;
  /** Shows the plan, and says whether to go on. */
  readonly confirm: (plan: DeployPlan) => boolean;
  readonly report: Report;
  readonly signal?: AbortSignal | undefined;
}

export interface DeployOutcome {
  readonly kind: "nothing" | "planned" | "declined" | "deployed";
  readonly plan: DeployPlan;
  readonly preflight: readonly CheckResult[];
  readonly smoke: readonly CheckResult[];
}

/**
 * Brings this machine to the state of a repository. May be interrupted at any point: the next run completes it.
 *
 * @throws {VmbError} `checks.failed` (exit 6) when the machine is not fit, or does not do its work afterwards;
 *   `deploy.locked` (exit 11) while another deploy runs; those of `planDeploy` and `applyPlan`
 */
export async function deploy(
  machine: Machine,
  sources: DeploySources,
  options: DeployOptions,
): Promise<DeployOutcome> {
  const { report, signal } = options;
  const { site } = sources;
  const places = controlPlaces(site, machine.host);
  report({ kind: "phase", phase: "preflight", text: "Looking at this machine" });
  const preflight = await runChecks(preflightChecks(machine, site, places), report, {
    limit: checksAtOnce,
  });
  assertPassed("Checks before the deploy", preflight);
  return await withDeployLock(machine, places.state, async () => {
    const desired = desiredState(sources, places);
    const record = await readRecord(machine.files, places.state);
    const plan = await planDeploy(machine, desired, record, places, options);
    const ended = (kind: DeployOutcome["kind"], smoke: readonly CheckResult[] = []) => ({
      kind,
      plan,
      preflight,
      smoke,
    });
    if (isEmptyPlan(plan)) return ended("nothing");
    if (options.dryRun) return ended("planned");
    if (!options.confirm(plan)) return ended("declined");
    report({ kind: "phase", phase: "apply", text: "Applying the changes" });
    const context = { ...options, machine, places, sources, desired };
    const applied = await applyPlan(context, plan, record);
    report({ kind: "phase", phase: "health", text: "Waiting until all containers are healthy" });
    await waitForHealth(machine, { signal });
    report({ kind: "phase", phase: "smoke", text: "Trying what was deployed" });
    const { certificate } = certificatePaths(sources.repository);
    const smoke = await runChecks(
      smokeChecks(machine, options.bconsole, { ...sources, certificate }),
      report,
      { limit: checksAtOnce },
    );
    assertPassed("What was deployed", smoke);
    await writeRecord(machine.files, places.state, { ...applied, tested: true });
    return ended("deployed", smoke);
  });
}

/**
 * Does something to the machine that two runs may not do at once.
 *
 * @throws {VmbError} `deploy.locked` (exit 11)
 */
export async function withDeployLock<Result>(
  { files }: Pick<Machine, "files">,
  state: string,
  work: () => Promise<Result>,
): Promise<Result> {
  await files.makeFolder(state, { mode: 0o700 });
  const lock = await files.lock(`${state}/lock`);
  if (lock === undefined) {
    throw new VmbError("Another vmb changes this control VM", {
      code: "deploy.locked",
      exit: exitCodes.locked,
      hint: "Try again when it has ended",
    });
  }
  try {
    return await work();
  } finally {
    await lock.release();
  }
}
