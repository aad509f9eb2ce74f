import type { Configuration } from "../config/configuration.ts";
import { toVmbError, VmbError } from "../error.ts";
import type { Report } from "../event.ts";
import { formatDuration } from "../format/duration.ts";
import { openVirsh } from "../libvirt/virsh.ts";
import { findDomain } from "../libvirt/domain.ts";
import { beginJournal } from "../journal/journal.ts";
import { announceRun } from "../run/live_runs.ts";
import { assertRecovered, recover } from "../recovery/recover.ts";
import { undoRun } from "../undo/undo_run.ts";
import { backupId, vmFolder } from "../repository/layout.ts";
import { isLocked, lockForBackup, type RepositoryLock } from "../repository/lock.ts";
import { removeStalePartials } from "../repository/partial.ts";
import { shareFreeBytes, shareMount } from "../repository/share.ts";
import { withDeadline } from "../sys/deadline.ts";
import { shareFiles } from "../sys/share_files.ts";
import type { System } from "../sys/system.ts";
import type { BackupContext } from "./context.ts";
import { examine, type Examined } from "./examine.ts";
import { tellFailure, tellSuccess } from "./notice.ts";
import { startPhases } from "../run/phases.ts";
import { type BackupPlan, type BackupRequest, entryHere, showPlan } from "./plan.ts";
import { makeRunFolders, runFolders } from "../run/folders.ts";
import { openRunLog } from "../run/log.ts";
import { summarize, writeSummary } from "./summary.ts";
import { takeBackup, type TakenBackup } from "./take.ts";

export interface BackupOptions {
  readonly system: System;
  readonly configuration: Configuration;
  readonly vmbVersion: string;
  readonly report: Report;
  readonly signal: AbortSignal;
}

export interface BackupOutcome extends TakenBackup {
  readonly warnings: readonly string[];
}

/**
 * Backs up one VM, from what earlier runs left to the message about this one. However it ends, the VM runs
 * on, on its own disks, and either a whole backup is listed or none.
 *
 * @throws {VmbError} of the step that failed, after everything was undone and told
 */
export async function backupVm(
  request: BackupRequest,
  options: BackupOptions,
): Promise<BackupOutcome> {
  const context = openContext(request, options);
  const { system, settings, report, phases, log, entry } = context;
  let unannounce = () => Promise.resolve();
  try {
    unannounce = await announceRun(system.files, settings.stateDir, {
      run: context.runId,
      vm: entry.name,
      jobId: request.baculaJobId ?? null,
      pid: system.host.pid,
      since: context.startedAt.toISOString(),
    });
    if (!entry.listed) {
      report({
        kind: "info",
        text: `"${entry.name}" is not in vm-list.yaml: the defaults are used`,
      });
    }
    if (request.level !== "full") {
      report({
        kind: "info",
        text: `Level ${request.levelWord} was asked for: a full backup is made`,
      });
    }
    const taken = await recoverAndBackUp(context);
    await writeSummary(context, summarize(context, taken));
    await tellSuccess(context, taken.manifest);
    return { ...taken, warnings: log.warnings() };
  } catch (thrown) {
    const error = toVmbError(thrown);
    const step = phases.current();
    // The run that holds the lock writes its own.
    if (!isLocked(error)) {
      await writeSummary(context, summarize(context, { error, step }));
    }
    await tellFailure(context, step, error);
    throw error;
  } finally {
    await unannounce().catch((error) =>
      report({ kind: "warning", text: toVmbError(error).message })
    );
    await log.close();
  }
}

/** Tells what `backupVm` would do; nothing is changed, but for a probe file on the share. */
export async function planBackup(
  request: BackupRequest,
  options: BackupOptions,
): Promise<BackupPlan> {
  const context = openContext(request, options);
  return showPlan(context, await examine(context));
}

async function recoverAndBackUp(context: BackupContext): Promise<TakenBackup> {
  const { system, settings, virsh, entry, signal, report } = context;
  const shareTimeoutMs = settings.shareTimeoutSeconds * 1000;
  context.phases.begin("recover", "Looking for what a killed run left");
  const recoveries = await recover(settings.stateDir, { system, report, shareTimeoutMs });
  // Another VM's trouble must not keep this one from its backup.
  assertRecovered(recoveries.filter(({ vm }) => vm === entry.name || vm === ""));
  const { uuid } = await findDomain(virsh, entry.name);
  await context.log.keep();
  const lock = await lockInTurn(context, uuid);
  try {
    const stale = await removeStalePartials(
      context.share,
      vmFolder({ root: settings.backupRoot, hypervisor: settings.hypervisorName, vm: entry.name }),
    );
    for (const name of stale) report({ kind: "info", text: `Removed the partial backup ${name}` });
    const examined = await examine(context);
    signal.throwIfAborted();
    return await journaledBackup(context, examined);
  } finally {
    await withDeadline("Release of the locks", shareTimeoutMs, lock.release()).catch((error) =>
      report({ kind: "warning", text: toVmbError(error).message })
    );
  }
}

/** Waits for the end of what holds the lock, as long as was asked for. */
async function lockInTurn(context: BackupContext, uuid: string): Promise<RepositoryLock> {
  const { system: { clock }, request: { lockWaitMs }, report, signal } = context;
  const end = clock.monotonic() + lockWaitMs;
  for (let isFirst = true;; isFirst = false) {
    try {
      return await lockOrExplain(context, uuid);
    } catch (error) {
      if (!isLocked(error) || clock.monotonic() >= end) throw error;
      if (isFirst) {
        const patience = formatDuration(lockWaitMs);
        report({ kind: "info", text: `${error.message}: waiting up to ${patience} for its end` });
      }
    }
    await clock.sleep(5000, signal);
  }
}

/** The error of a share that cannot be locked is the least telling one: the checks say what is wrong. */
async function lockOrExplain(context: BackupContext, uuid: string): Promise<RepositoryLock> {
  const { system, settings, entry, runId, startedAt, report } = context;
  const timeoutMs = settings.shareTimeoutSeconds * 1000;
  try {
    await shareMount(system, settings);
    await shareFreeBytes(system, settings);
    const holder = {
      hypervisor: settings.hypervisorName,
      pid: system.host.pid,
      vm: entry.name,
      run: runId,
      since: startedAt.toISOString(),
      jobId: context.request.baculaJobId ?? null,
    };
    const locking = lockForBackup(system, settings.backupRoot, uuid, holder, {
      places: settings.concurrentBackups,
      report,
    });
    return await withDeadline("Lock of the share", timeoutMs, locking);
  } catch (error) {
    if (isLocked(error)) throw error;
    await examine(context);
    throw error;
  }
}

async function journaledBackup(context: BackupContext, examined: Examined): Promise<TakenBackup> {
  const { system, settings, runId, entry, virsh, report } = context;
  const folders = runFolders(settings, runId);
  const journal = await beginJournal(system.files, settings.stateDir, {
    step: "begin",
    run: runId,
    vm: entry.name,
    uuid: examined.survey.domain.uuid,
    uri: virsh.uri,
    pid: system.host.pid,
    ...folders,
    time: context.startedAt.toISOString(),
  });
  let taken: TakenBackup | undefined;
  let failure: VmbError | undefined;
  try {
    await makeRunFolders(system, folders, examined.survey.description.owner);
    taken = await takeBackup(context, journal, folders, examined);
  } catch (thrown) {
    failure = toVmbError(thrown);
    report({ kind: "error", text: failure.message, hint: failure.hint });
  }
  try {
    await undoRun(journal, {
      system,
      report,
      shareTimeoutMs: settings.shareTimeoutSeconds * 1000,
    });
  } catch (thrown) {
    const undo = toVmbError(thrown);
    report({ kind: "error", text: undo.message, hint: undo.hint });
    failure = failure === undefined ? undo : new VmbError(
      `${failure.message}; and then: ${undo.message}`,
      { ...failure, hint: undo.hint ?? "Run: vmb hv recover" },
    );
  }
  if (failure !== undefined) throw failure;
  if (taken === undefined) throw new Error("a run ended with neither backup nor error");
  return taken;
}

function openContext(
  request: BackupRequest,
  { system, configuration, vmbVersion, report, signal }: BackupOptions,
): BackupContext {
  const { settings } = configuration;
  const entry = entryHere(configuration, request.vm);
  const startedAt = system.clock.now();
  const id = backupId(startedAt);
  const log = openRunLog(system, `${settings.logDir}/${entry.name}/${id}.log`, report);
  return {
    system,
    settings,
    entry,
    request,
    virsh: openVirsh(system.processes, settings.libvirtUri),
    share: shareFiles(system.files, settings.backupRoot, settings.shareTimeoutSeconds * 1000),
    runId: `vmb-${id}-${system.host.pid}`,
    id,
    vmbVersion,
    startedAt,
    phases: startPhases(system.clock, log.report),
    log,
    report: log.report,
    signal,
  };
}
