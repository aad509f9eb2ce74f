import type { Configuration } from "../config/configuration.ts";
import type { Report } from "../event.ts";
import { formatBytes } from "../format/bytes.ts";
import { formatDuration } from "../format/duration.ts";
import { findDomain } from "../libvirt/domain.ts";
import { vmFolder } from "../repository/layout.ts";
import { isLocked, lockForBackup, type RepositoryLock } from "../repository/lock.ts";
import type { Manifest } from "../repository/manifest.ts";
import { removeStalePartials } from "../repository/partial.ts";
import { shareFreeBytes, shareMount } from "../repository/share.ts";
import type { RunFacts } from "../run/record.ts";
import { openRun } from "../run/open_run.ts";
import { withRun } from "../run/with_run.ts";
import { withJournal } from "../run/with_journal.ts";
import { withLock } from "../run/with_lock.ts";
import { withDeadline } from "../sys/deadline.ts";
import type { System } from "../sys/system.ts";
import type { BackupContext } from "./context.ts";
import { examine } from "./examine.ts";
import { type BackupPlan, entryHere, planOf } from "./plan.ts";
import type { BackupRequest } from "./request.ts";
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
  const { report, entry } = context;
  return await withRun(context, async () => {
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
    const taken = await lockedBackup(context);
    const value = { ...taken, warnings: context.log.warnings() };
    return { value, facts: factsOf(taken.manifest) };
  });
}

/** Tells what `backupVm` would do; nothing is changed, but for a probe file on the share. */
export async function planBackup(
  request: BackupRequest,
  options: BackupOptions,
): Promise<BackupPlan> {
  const context = openContext(request, options);
  return planOf(context, await examine(context));
}

async function lockedBackup(context: BackupContext): Promise<TakenBackup> {
  const { settings, virsh, entry, signal, report } = context;
  const { uuid } = await findDomain(virsh, entry.name);
  await context.log.keep();
  return await withLock(context, await lockInTurn(context, uuid), async () => {
    const stale = await removeStalePartials(
      context.share,
      vmFolder({ root: settings.backupRoot, hypervisor: settings.hypervisorName, vm: entry.name }),
    );
    for (const name of stale) report({ kind: "info", text: `Removed the partial backup ${name}` });
    const examined = await examine(context);
    signal.throwIfAborted();
    const { domain, description } = examined.survey;
    return await withJournal(
      context,
      domain,
      (journal) => takeBackup(context, journal, context, examined),
      { owner: description.owner },
    );
  });
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
  try {
    await shareMount(system, settings, context.report);
    await shareFreeBytes(system, settings);
    const holder = {
      hypervisor: settings.hypervisorName,
      pid: system.host.pid,
      vm: entry.name,
      run: runId,
      since: startedAt.toISOString(),
      jobId: context.jobId,
    };
    const locking = lockForBackup(system, settings.backupRoot, uuid, holder, {
      places: settings.concurrentBackups,
      report,
    });
    return await withDeadline("Lock of the share", context.shareTimeoutMs, locking);
  } catch (error) {
    if (isLocked(error)) throw error;
    await examine(context);
    throw error;
  }
}

function factsOf(manifest: Manifest): RunFacts {
  const { id, level, consistency, bytesRead, bytesWritten, warnings } = manifest;
  const seconds = Object.values(manifest.seconds).reduce((sum, value) => sum + value, 0);
  const size = `${formatBytes(bytesWritten)} in ${formatDuration(seconds * 1000)}`;
  const odd = warnings.length > 0 ? `, ${warnings.length} warnings` : "";
  return {
    result: "ok",
    text: `${level}, ${consistency}-consistent, ${size}${odd}`,
    backupId: id,
    bytesRead,
    bytesWritten,
  };
}

function openContext(
  request: BackupRequest,
  { configuration, vmbVersion, ...host }: BackupOptions,
): BackupContext {
  const entry = entryHere(configuration, request.vm);
  const run = openRun(
    { ...host, settings: configuration.settings },
    { kind: "backup", vm: entry.name, jobId: request.baculaJobId },
  );
  return { ...run, entry, request, id: run.time, vmbVersion };
}
