import type { Settings } from "../config/settings.ts";
import type { Report } from "../event.ts";
import type { RunKind } from "../journal/live_runs.ts";
import { openVirsh, type Virsh } from "../libvirt/virsh.ts";
import { backupId } from "../repository/layout.ts";
import type { Files } from "../sys/files.ts";
import { shareFiles } from "../sys/share_files.ts";
import type { System } from "../sys/system.ts";
import { type RunFolders, runFolders } from "../journal/folders.ts";
import { openRunLog, type RunLog } from "./log.ts";
import { type Phases, startPhases } from "./phases.ts";

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
