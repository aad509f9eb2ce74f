import { assertPassed, type CheckResult, runChecks } from "../checks/check.ts";
import type { Configuration } from "../config/configuration.ts";
import { exitCodes, VmbError } from "../error.ts";
import type { Report } from "../event.ts";
import { formatBytes } from "../format/bytes.ts";
import { assertBackupImage } from "../image/backup_image.ts";
import type { Journal } from "../journal/journal.ts";
import { type BackupFiles, readBackupFiles } from "../repository/backup_files.ts";
import { findBackup, type StoredBackup, usable } from "../repository/backups.ts";
import { lockForRestore, type RepositoryLock } from "../repository/lock.ts";
import type { Manifest } from "../repository/manifest.ts";
import { readBack } from "../repository/read_back.ts";
import { shareFreeBytes, shareMount } from "../repository/share.ts";
import type { RunFacts } from "../run/record.ts";
import { openRun, type Run } from "../run/open_run.ts";
import { withRun } from "../run/with_run.ts";
import { withJournal } from "../run/with_journal.ts";
import { withLock } from "../run/with_lock.ts";
import { withDeadline } from "../sys/deadline.ts";
import type { System } from "../sys/system.ts";
import { settleFill } from "../undo/fill.ts";
import { applyRestore, stallFactor } from "./apply.ts";
import { restoreChecks } from "./checks.ts";
import { hostFacts } from "./host_facts.ts";
import { planRestore, type RestorePlan } from "./plan.ts";
import type { RestoreRequest } from "./request.ts";
import { startRestored } from "./start.ts";

export interface RestoreOptions {
  readonly system: System;
  readonly configuration: Configuration;
  readonly report: Report;
  readonly signal: AbortSignal;
  /** Called before a VM is replaced; rejects when nobody says that it is meant. */
  readonly confirm: (name: string) => Promise<void>;
  /** Called when the run begins to change things. */
  readonly onBegin: () => void;
}

/** A plan, and what speaks for it and against it. */
export interface ExaminedPlan {
  readonly plan: RestorePlan;
  readonly checks: readonly CheckResult[];
}

export interface RestoreOutcome {
  readonly vm: string;
  readonly id: string;
  readonly name: string;
  readonly uuid: string;
  readonly mode: RestorePlan["mode"];
  readonly disks: readonly { readonly target: string; readonly path: string }[];
  /** What belonged to the replaced VM, and where it lies now. */
  readonly kept: readonly string[];
  readonly started: boolean;
  /** Bytes of images that were read and compared. */
  readonly bytes: number;
  readonly seconds: number;
  readonly warnings: readonly string[];
}

interface RestoreContext extends Run, Pick<RestoreOptions, "confirm" | "onBegin"> {}

type WholeBackup = StoredBackup & { readonly manifest: Manifest };

interface Prepared extends ExaminedPlan {
  readonly files: BackupFiles;
}

/** Tells what `restoreVm` would do, and what keeps it from doing so; nothing is changed. */
export async function examineRestore(
  request: RestoreRequest,
  options: RestoreOptions,
): Promise<ExaminedPlan> {
  const context = openContext(request, options);
  const { plan, checks } = await prepare(context, request, await findWhole(context, request));
  return { plan, checks };
}

/**
 * Restores a VM from a backup. However it ends, there is either a whole VM or all is as it was before.
 *
 * @throws {VmbError} of the step that failed, after everything was undone; `restore.start` when the VM is
 *   restored, but does not start
 */
export async function restoreVm(
  request: RestoreRequest,
  options: RestoreOptions,
): Promise<RestoreOutcome> {
  const context = openContext(request, options);
  return await withRun(context, async () => {
    const backup = await findWhole(context, request);
    await context.log.keep();
    const lock = await lockUnlessReadOnly(context, backup.manifest);
    const plan = await withLock(context, lock, () => lockedRestore(context, request, backup));
    return { value: outcomeOf(context, plan), facts: factsOf(plan) };
  });
}

async function lockedRestore(
  context: RestoreContext,
  request: RestoreRequest,
  backup: WholeBackup,
): Promise<RestorePlan> {
  const prepared = await prepare(context, request, backup);
  const { plan } = prepared;
  assertPassed(`Checks before the restore of "${plan.name}"`, prepared.checks);
  if (plan.replaces) await context.confirm(plan.replaces.name);
  context.signal.throwIfAborted();
  context.onBegin();
  await withJournal(context, plan, async (journal) => {
    await applyRestore({ ...context, ...prepared, journal });
    if (plan.fillsLater) await fillAndCompare(context, prepared, journal);
  });
  if (plan.start && !plan.fillsLater) await startRestored(context.virsh, plan);
  return plan;
}

function outcomeOf({ log, phases }: RestoreContext, plan: RestorePlan): RestoreOutcome {
  const seconds = Object.values(phases.seconds()).reduce((sum, value) => sum + value, 0);
  return {
    ...{ vm: plan.vm, id: plan.id, name: plan.name, uuid: plan.uuid, mode: plan.mode },
    disks: plan.disks.map(({ disk, path }) => ({ target: disk, path })),
    kept: [...plan.setAside.map(({ to }) => to), ...plan.previousXml ? [plan.previousXml] : []],
    started: plan.start,
    bytes: restoredBytes(plan),
    seconds: Math.round(seconds * 1000) / 1000,
    warnings: log.warnings(),
  };
}

function factsOf(plan: RestorePlan): RunFacts {
  const bytes = restoredBytes(plan);
  return {
    result: "ok",
    text: `${plan.name}, ${formatBytes(bytes)} compared with their checksums`,
    backupId: plan.id,
    bytesRead: bytes,
  };
}

/** Bytes of images that were read and compared. */
function restoredBytes({ disks }: RestorePlan): number {
  return disks.reduce((sum, { size }) => sum + size, 0);
}

/** The VM runs already: what fails from here on leaves it running. */
async function fillAndCompare(
  { system, settings, virsh, report, signal }: RestoreContext,
  { plan }: Prepared,
  journal: Journal,
): Promise<void> {
  report({ kind: "info", text: `"${plan.name}" runs, and reads from its backup` });
  report({ kind: "phase", phase: "fill", text: `Filling its disks while it runs` });
  await settleFill({ system, virsh, domain: plan, journal, report, waiting: signal });
  report({ kind: "phase", phase: "verify", text: "Comparing the images with their checksums" });
  for (const { disk, image, size, sha256 } of plan.disks) {
    const read = await readBack(system, image, {
      below: settings.backupRoot,
      dropCache: true,
      stallMs: settings.shareTimeoutSeconds * stallFactor * 1000,
      signal,
      onProgress: (done) => report({ kind: "progress", target: disk, done, total: size }),
    });
    if (read.sha256 === sha256) continue;
    throw new VmbError(
      `"${plan.name}" runs on a damaged disk ${disk}: "${image}" is not what was written`,
      {
        code: "restore.content",
        exit: exitCodes.problems,
        hint: "Restore another backup in its place: --replace with an older id (vmb hv list)",
      },
    );
  }
}

async function prepare(
  { system, share, virsh, settings, report, phases, time }: RestoreContext,
  request: RestoreRequest,
  backup: WholeBackup,
): Promise<Prepared> {
  phases.begin("checks", `Checking ${backup.folder}`);
  for (const { file, virtualSize } of backup.manifest.disks) {
    await assertBackupImage(share, { path: `${backup.folder}/${file}`, virtualSize });
  }
  const [files, facts] = await Promise.all([
    readBackupFiles(share, backup),
    hostFacts(system, virsh),
  ]);
  const plan = await planRestore({
    ...{ system, backup, files, facts, request },
    imageDir: settings.imageDir,
    libvirtUri: virsh.uri,
    suffix: time,
  });
  return {
    plan,
    files,
    checks: await runChecks(restoreChecks({ system, virsh, facts, plan }), report),
  };
}

async function findWhole(
  { system, share, settings, report }: RestoreContext,
  { vm, id }: RestoreRequest,
): Promise<WholeBackup> {
  await shareMount(system, settings, report);
  await shareFreeBytes(system, settings);
  return usable(await findBackup(share, settings.backupRoot, vm, id), "restore");
}

/** From a share that is read-only here a restore is still possible; only its lock is not. */
async function lockUnlessReadOnly(
  context: RestoreContext,
  manifest: Manifest,
): Promise<RepositoryLock | undefined> {
  const { system, settings, report, runId, startedAt, shareTimeoutMs } = context;
  const { readonly } = await shareMount(system, settings);
  if (readonly) {
    report({
      kind: "warning",
      text: "The share is read-only here: no lock keeps others from changing this backup",
    });
    return undefined;
  }
  const locking = lockForRestore(system, settings.backupRoot, manifest.vm.uuid, {
    hypervisor: settings.hypervisorName,
    pid: system.host.pid,
    vm: manifest.vm.name,
    run: runId,
    since: startedAt.toISOString(),
    jobId: context.jobId,
  });
  return await withDeadline("Lock of the share", shareTimeoutMs, locking);
}

function openContext(
  { vm }: RestoreRequest,
  { configuration, confirm, onBegin, ...host }: RestoreOptions,
): RestoreContext {
  const run = openRun({ ...host, settings: configuration.settings }, { kind: "restore", vm });
  return { ...run, confirm, onBegin };
}
