import { makeRunFolders, type RunFolders, runFolders } from "../run/folders.ts";
import { openRunLog } from "../run/log.ts";
import { assertPassed, type CheckResult, runChecks } from "../checks/check.ts";
import type { Configuration } from "../config/configuration.ts";
import type { Settings } from "../config/settings.ts";
import { exitCodes, toVmbError, VmbError } from "../error.ts";
import type { Report } from "../event.ts";
import { openVirsh, type Virsh } from "../libvirt/virsh.ts";
import { type BackupFiles, readBackupFiles } from "../repository/backup_files.ts";
import { beginJournal, type Journal } from "../journal/journal.ts";
import { assertRecovered, recover } from "../recovery/recover.ts";
import { undoRun } from "../undo/undo_run.ts";
import { findBackup } from "../repository/backups.ts";
import { backupId } from "../repository/layout.ts";
import { readBack } from "../repository/read_back.ts";
import { lockForRestore, type RepositoryLock } from "../repository/lock.ts";
import type { Manifest } from "../repository/manifest.ts";
import { shareFreeBytes, shareMount } from "../repository/share.ts";
import { withDeadline } from "../sys/deadline.ts";
import { shareFiles } from "../sys/share_files.ts";
import type { System } from "../sys/system.ts";
import { applyRestore, stallFactor } from "./apply.ts";
import { restoreChecks } from "./checks.ts";
import { settleFill } from "../undo/fill.ts";
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

interface RestoreContext extends RestoreOptions {
  readonly settings: Settings;
  readonly virsh: Virsh;
  readonly time: string;
  readonly runId: string;
  readonly folders: RunFolders;
}

interface Prepared extends ExaminedPlan {
  readonly files: BackupFiles;
}

/** Tells what `restoreVm` would do, and what keeps it from doing so; nothing is changed. */
export async function examineRestore(
  request: RestoreRequest,
  options: RestoreOptions,
): Promise<ExaminedPlan> {
  const context = openContext(options);
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
  const since = options.system.clock.monotonic();
  const { settings } = options.configuration;
  const time = backupId(options.system.clock.now());
  const log = openRunLog(
    options.system,
    `${settings.logDir}/${request.vm}/restore-${time}.log`,
    options.report,
  );
  const context = openContext({ ...options, report: log.report });
  try {
    const { system, report, signal, virsh } = context;
    const shareTimeoutMs = settings.shareTimeoutSeconds * 1000;
    const recoveries = await recover(settings.stateDir, { system, report, shareTimeoutMs });
    assertRecovered(recoveries.filter(({ vm }) => vm === request.vm || vm === ""));
    const backup = await findWhole(context, request);
    await log.keep();
    const lock = await lockUnlessReadOnly(context, backup.manifest);
    try {
      const prepared = await prepare(context, request, backup);
      const { plan } = prepared;
      assertPassed(`Checks before the restore of "${plan.name}"`, prepared.checks);
      if (plan.replaces) await options.confirm(plan.replaces.name);
      signal.throwIfAborted();
      options.onBegin();
      await journaledRestore(context, prepared);
      if (plan.start && !plan.fillsLater) await startRestored(virsh, plan);
      return {
        ...{ vm: plan.vm, id: plan.id, name: plan.name, uuid: plan.uuid, mode: plan.mode },
        disks: plan.disks.map(({ disk, path }) => ({ target: disk, path })),
        kept: [...plan.setAside.map(({ to }) => to), ...plan.previousXml ? [plan.previousXml] : []],
        started: plan.start,
        bytes: plan.disks.reduce((sum, { size }) => sum + size, 0),
        seconds: Math.round(system.clock.monotonic() - since) / 1000,
        warnings: log.warnings(),
      };
    } finally {
      await withDeadline(
        "Release of the lock",
        shareTimeoutMs,
        lock?.release() ?? Promise.resolve(),
      )
        .catch((error) => report({ kind: "warning", text: toVmbError(error).message }));
    }
  } finally {
    await log.close();
  }
}

async function journaledRestore(context: RestoreContext, prepared: Prepared): Promise<void> {
  const { system, settings, report, virsh, runId, folders } = context;
  const { plan } = prepared;
  const journal = await beginJournal(system.files, settings.stateDir, {
    step: "begin",
    run: runId,
    vm: plan.name,
    uuid: plan.uuid,
    uri: virsh.uri,
    pid: system.host.pid,
    ...folders,
    time: system.clock.now().toISOString(),
  });
  let failure: VmbError | undefined;
  try {
    await makeRunFolders(system, folders, undefined);
    await applyRestore({ ...context, ...prepared, journal });
    if (plan.fillsLater) await fillAndCompare(context, prepared, journal);
  } catch (thrown) {
    failure = toVmbError(thrown);
    report({ kind: "error", text: failure.message, hint: failure.hint });
    report({ kind: "phase", phase: "undo", text: "Undoing what was begun" });
  }
  try {
    await undoRun(journal, {
      system,
      report,
      shareTimeoutMs: settings.shareTimeoutSeconds * 1000,
    });
  } catch (thrown) {
    const undo = toVmbError(thrown);
    failure = failure === undefined ? undo : new VmbError(
      `${failure.message}; and then: ${undo.message}`,
      { ...failure, hint: undo.hint ?? "Run: vmb hv recover" },
    );
  }
  if (failure !== undefined) throw failure;
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
  { system, virsh, settings, report, time }: RestoreContext,
  request: RestoreRequest,
  backup: Awaited<ReturnType<typeof findWhole>>,
): Promise<Prepared> {
  report({ kind: "phase", phase: "checks", text: `Checking ${backup.folder}` });
  const share = shareFiles(system.files, settings.backupRoot, settings.shareTimeoutSeconds * 1000);
  const [files, facts] = await Promise.all([readBackupFiles(share, backup), hostFacts(virsh)]);
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

async function findWhole({ system, settings }: RestoreContext, { vm, id }: RestoreRequest) {
  await shareMount(system, settings);
  await shareFreeBytes(system, settings);
  const share = shareFiles(system.files, settings.backupRoot, settings.shareTimeoutSeconds * 1000);
  const found = await findBackup(share, settings.backupRoot, vm, id);
  const { manifest, problem } = found;
  if (manifest !== undefined) return { ...found, manifest };
  throw new VmbError(problem ?? "", {
    code: "repository.manifest",
    exit: 6,
    hint: "Restore another backup (vmb hv list), or by hand, as docs/05-restore.md says",
  });
}

/** From a share that is read-only here a restore is still possible; only its lock is not. */
async function lockUnlessReadOnly(
  context: RestoreContext,
  manifest: Manifest,
): Promise<RepositoryLock | undefined> {
  const { system, settings, report, runId } = context;
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
    since: system.clock.now().toISOString(),
    jobId: null,
  });
  return await withDeadline("Lock of the share", settings.shareTimeoutSeconds * 1000, locking);
}

function openContext(options: RestoreOptions): RestoreContext {
  const { system, configuration } = options;
  const { settings } = configuration;
  const time = backupId(system.clock.now());
  const runId = `vmb-restore-${time}-${system.host.pid}`;
  return {
    ...options,
    ...{ settings, time, runId },
    virsh: openVirsh(system.processes, settings.libvirtUri),
    folders: runFolders(settings, runId),
  };
}
