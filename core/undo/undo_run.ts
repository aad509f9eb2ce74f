import { removeOverlays } from "./overlay.ts";
import { ensureThawed } from "./thaw.ts";
import { runHook } from "./guest_hook.ts";
import { toVmbError, VmbError } from "../error.ts";
import type { Report } from "../event.ts";
import { endBackupJob } from "../libvirt/backup_job.ts";
import { type Domain, domainState } from "../libvirt/domain.ts";
import { openVirsh, type Virsh } from "../libvirt/virsh.ts";
import { removeIsolatedNetwork } from "./test_network.ts";
import { destroyTestDomain } from "./test_domain.ts";
import { settleFill } from "./fill.ts";
import { undoRestoreSteps } from "./restored.ts";
import type { System } from "../sys/system.ts";
import type { Journal } from "../journal/journal.ts";
import type { JournalEntry } from "../journal/journal_entry.ts";
import { settlePartials } from "./partials.ts";
import { removeUnusedScratch } from "./scratch.ts";
import { endStrayProcesses } from "./stray.ts";

export interface UndoOptions {
  readonly system: System;
  readonly report: Report;
  /** How long the share may take for one answer, in milliseconds. */
  readonly shareTimeoutMs: number;
  /** Until when to wait for disks that are still being filled; without it they are not waited for. */
  readonly waiting?: AbortSignal | undefined;
  /** A change of the share gave no answer in this process: it may happen yet, so what it was about stays. */
  readonly outcomeUnknown?: boolean;
}

/** What the steps of one undoing share. */
interface UndoContext extends UndoOptions {
  readonly journal: Journal;
  readonly begin: Extract<JournalEntry, { step: "begin" }>;
  readonly virsh: Virsh;
  readonly domain: Domain;
}

type UndoStep = (context: UndoContext) => Promise<void>;

/** What a backup changed in its VM. */
const guestSteps: readonly UndoStep[] = [
  undoFreeze,
  undoGuestHook,
  undoBackupJob,
  undoOverlay,
];

/** What a test restore made. */
const testSteps: readonly UndoStep[] = [undoTestDomain, undoTestNetwork, undoTestTpm];

/** What a restore made; what it has made whole stays. */
const restoreSteps: readonly UndoStep[] = [undoRestore, endFill];

/**
 * Undoes what a run has begun and not undone, the guest first, and ends its journal. It serves a run that
 * ends, in whatever way, as well as one that was killed; it may be killed itself, and called again.
 *
 * One step that fails does not keep the others from being tried: an agent that is gone must not leave a
 * backup job behind.
 *
 * @throws {VmbError} of the first step that failed; the journal then stays for the next call
 */
export async function undoRun(journal: Journal, options: UndoOptions): Promise<void> {
  const { begin } = journal.outstanding();
  if (begin === undefined) return await journal.end();
  const virsh = openVirsh(options.system.processes, begin.uri);
  const domain: Domain = { name: begin.vm, uuid: begin.uuid };
  const context: UndoContext = { ...options, journal, begin, virsh, domain };
  const failures: VmbError[] = [];
  try {
    // As long as a virsh process of ours lives, what it is about to do cannot be undone.
    await endStrayProcesses(options.system, [begin.scratchFolder, begin.stagingFolder], 150_000);
    for (
      const step of [...guestSteps, ...testSteps, ...restoreSteps, undoScratch, settlePartials]
    ) {
      try {
        await step(context);
      } catch (error) {
        failures.push(toVmbError(error));
      }
    }
  } catch (error) {
    failures.push(toVmbError(error));
  }
  const [first] = failures;
  if (first === undefined) {
    await options.system.files.remove(begin.stagingFolder);
    return await journal.end();
  }
  await journal.abandon();
  if (failures.length === 1) throw first;
  throw new VmbError(failures.map(({ message }) => message).join("; and "), first);
}

async function undoFreeze({ journal, report, virsh, domain, system }: UndoContext): Promise<void> {
  if (!journal.outstanding().frozen) return;
  report({ kind: "info", text: `Thawing "${domain.name}"` });
  const state = await domainState(virsh, domain);
  // A guest that is paused may be resumed, and would then still be frozen.
  const gone = state === undefined || state === "shut off" || state === "crashed";
  if (!gone) await ensureThawed({ virsh, domain, system });
  await journal.write({ step: "thawed" });
}

/** Applications that wait for a freeze that is over are let go on; a guest that ended has none that wait. */
async function undoGuestHook(context: UndoContext): Promise<void> {
  const { journal, report, virsh, domain } = context;
  const { guestHook, frozen } = journal.outstanding();
  // A frozen guest runs nothing: first things first.
  if (guestHook === undefined || frozen) return;
  if (await domainState(virsh, domain) === "running") {
    report({ kind: "info", text: `Running after_thaw in "${domain.name}"` });
    const text = await runHook(context, guestHook);
    const hint = `Look whether the applications of "${domain.name}" go on`;
    if (text !== undefined) report({ kind: "warning", text, hint });
  }
  await journal.write({ step: "guest-hook-done" });
}

async function undoBackupJob(context: UndoContext): Promise<void> {
  const { journal, report, domain, begin } = context;
  if (!journal.outstanding().backupJob) return;
  if (await endBackupJob(context, domain, begin.scratchFolder)) {
    report({ kind: "info", text: `Ended the backup job of "${domain.name}"` });
  }
  await journal.write({ step: "backup-job-ended" });
}

async function undoOverlay(context: UndoContext): Promise<void> {
  const { journal, report, virsh, domain, system, begin } = context;
  const { overlay } = journal.outstanding();
  if (overlay === undefined) return;
  report({ kind: "info", text: `Committing the overlays of "${domain.name}"` });
  const { stagingFolder } = begin;
  await removeOverlays({ system, virsh, domain, stagingFolder, report }, overlay);
  await journal.write({ step: "overlay-gone" });
}

async function undoTestDomain({ journal, report, virsh }: UndoContext): Promise<void> {
  const { testDomain } = journal.outstanding();
  if (testDomain === undefined) return;
  if (await destroyTestDomain(virsh, testDomain)) {
    report({ kind: "info", text: `Destroyed the test copy "${testDomain.name}"` });
  }
  await journal.write({ step: "test-domain-gone" });
}

async function undoTestNetwork({ journal, report, virsh, system }: UndoContext): Promise<void> {
  const { testNetwork } = journal.outstanding();
  if (testNetwork === undefined) return;
  await removeIsolatedNetwork(system, virsh, testNetwork);
  report({ kind: "info", text: `Removed the isolated network "${testNetwork.name}"` });
  await journal.write({ step: "test-network-gone" });
}

/** libvirt removes it with a transient domain, but only if that was started. */
async function undoTestTpm({ journal, system }: UndoContext): Promise<void> {
  const { testTpm } = journal.outstanding();
  if (testTpm === undefined) return;
  await system.files.remove(testTpm.path);
  await journal.write({ step: "test-tpm-gone" });
}

async function undoRestore({ journal, report, virsh, system }: UndoContext): Promise<void> {
  const { restore } = journal.outstanding();
  if (restore.length === 0) return;
  const outcome = await undoRestoreSteps(system, virsh, restore, report);
  await journal.write({ step: outcome === "undone" ? "restore-undone" : "restored" });
}

async function endFill({ waiting, ...context }: UndoContext): Promise<void> {
  await settleFill({ ...context, waiting });
}

async function undoScratch(context: UndoContext): Promise<void> {
  await removeUnusedScratch(context, context.begin.scratchFolder);
}
