import type { Settings } from "../config/settings.ts";
import { toVmbError } from "../error.ts";
import type { Report } from "../event.ts";
import { announceRun, type RunKind } from "../journal/live_runs.ts";
import { openVirsh, type Virsh } from "../libvirt/virsh.ts";
import { assertRecovered, recover } from "../recovery/recover.ts";
import { backupId } from "../repository/layout.ts";
import { isLocked } from "../repository/lock.ts";
import type { Files } from "../sys/files.ts";
import { shareFiles } from "../sys/share_files.ts";
import type { System } from "../sys/system.ts";
import { type RunFolders, runFolders } from "./folders.ts";
import { openRunLog, type RunLog } from "./log.ts";
import { tellEnd, tellFailure } from "./notice.ts";
import { type Phases, startPhases } from "./phases.ts";
import { keepRecord, recordOf, type RunFacts } from "./record.ts";

/** Where a run takes place, and who hears of it. */
export interface RunHost {
  readonly system: System;
  readonly settings: Settings;
  readonly report: Report;
  readonly signal: AbortSignal;
}

/** What a run is about. */
export interface RunSubject {
  readonly kind: RunKind;
  readonly vm: string;
  /** Bacula's job. */
  readonly jobId?: number | undefined;
  /** Id of the run, where it must be short: it is a part of the paths of sockets. */
  readonly runId?: string;
}

/** What every run works with, whatever it does. */
export interface Run extends RunHost, RunFolders {
  readonly kind: RunKind;
  readonly vm: string;
  readonly jobId: number | null;
  /** Names the run, its journal, its folders, and what it makes in libvirt. */
  readonly runId: string;
  readonly startedAt: Date;
  /** `startedAt`, as names of files have it. */
  readonly time: string;
  readonly virsh: Virsh;
  /** The door to the share: each of its operations has a deadline. */
  readonly share: Files;
  readonly shareTimeoutMs: number;
  readonly phases: Phases;
  readonly log: RunLog;
}

/** A value for the caller, and what the record of the run tells of it. */
export interface Ended<T> {
  readonly value: T;
  readonly facts: RunFacts;
}

/** Gives a run all that it works with; nothing is changed before `withRun`. */
export function openRun(host: RunHost, subject: RunSubject): Run {
  const { system, settings, signal } = host;
  const { kind, vm } = subject;
  const startedAt = system.clock.now();
  const time = backupId(startedAt);
  const infix = kind === "backup" ? "" : `${kind}-`;
  const runId = subject.runId ?? `vmb-${infix}${time}-${system.host.pid}`;
  const shareTimeoutMs = settings.shareTimeoutSeconds * 1000;
  const log = openRunLog(system, `${settings.logDir}/${vm}/${infix}${time}.log`, host.report);
  return {
    ...{ system, settings, signal, kind, vm, runId, startedAt, time, shareTimeoutMs, log },
    jobId: subject.jobId ?? null,
    report: log.report,
    ...runFolders(settings, runId),
    virsh: openVirsh(system.processes, settings.libvirtUri),
    share: shareFiles(system.files, settings.backupRoot, shareTimeoutMs),
    phases: startPhases(system.clock, log.report),
  };
}

/**
 * Carries out one run, from what earlier runs left to the record and the message about this one. The body
 * takes its lock by `withLock`, and what it changes stands in a journal by `withJournal`: however it ends,
 * nothing is left held.
 *
 * @throws {VmbError} of the step that failed, after everything was undone, recorded and told
 */
export async function withRun<T>(run: Run, body: () => Promise<Ended<T>>): Promise<T> {
  const { system, settings, report, log, phases } = run;
  let unannounce = () => Promise.resolve();
  try {
    unannounce = await announceRun(system.files, settings.stateDir, {
      ...{ kind: run.kind, run: run.runId, vm: run.vm, jobId: run.jobId },
      pid: system.host.pid,
      since: run.startedAt.toISOString(),
    });
    await recoverOlder(run);
    const { value, facts } = await body();
    await keepRecord(run, recordOf(run, facts));
    noteEnd(log, facts);
    await tellEnd(run, facts);
    return value;
  } catch (thrown) {
    const error = toVmbError(thrown);
    const step = phases.current();
    log.note({ kind: "error", text: error.message, hint: error.hint });
    // The run that holds the lock writes its own.
    if (!isLocked(error)) await keepRecord(run, recordOf(run, { error, step }));
    await tellFailure(run, step, error);
    throw error;
  } finally {
    await unannounce().catch((error) =>
      report({ kind: "warning", text: toVmbError(error).message })
    );
    await log.close();
  }
}

async function recoverOlder({ system, settings, report, shareTimeoutMs, ...run }: Run) {
  run.phases.begin("recover", "Looking for what a killed run left");
  const recoveries = await recover(settings.stateDir, { system, report, shareTimeoutMs });
  // A test restore has nothing to do with the VM itself.
  if (run.kind === "test-restore") return;
  // Another VM's trouble must not keep this one from its backup.
  assertRecovered(recoveries.filter(({ vm }) => vm === run.vm || vm === ""));
}

/** A log ends with what the screen shows last. */
function noteEnd(log: RunLog, { result, text, error }: RunFacts): void {
  if (error === undefined) log.note({ kind: "info", text: `${result}: ${text}` });
  else log.note({ kind: "error", text: error.message, hint: error.hint });
}
