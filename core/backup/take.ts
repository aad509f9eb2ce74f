import { randomSeed } from "../block_map/cluster_digest.ts";
import type { Capture, FrozenTimes } from "../capture/capture.ts";
import type { CaptureContext } from "../capture/context.ts";
import { captureOffline } from "../capture/offline.ts";
import { captureQuiesced } from "../capture/quiesce.ts";
import { captureSnapshot } from "../capture/snapshot.ts";
import { assertPassed, type CheckResult, runChecks } from "../checks/check.ts";
import { postBackupChecks } from "../checks/post_backup.ts";
import { versions } from "../libvirt/domain_info.ts";
import { alsoFailed, CancelledError, toVmbError, VmbError } from "../error.ts";
import type { Journal } from "../journal/journal.ts";
import { removeUnusedScratch } from "../undo/scratch.ts";
import { readBackup } from "../repository/backups.ts";
import { type BackupAddress, logName } from "../repository/layout.ts";
import { type Manifest, type ManifestOtherData, schemaVersion } from "../repository/manifest.ts";
import { needsOf } from "../repository/needs.ts";
import { beginPartial, type PartialBackup } from "../repository/partial.ts";
import { keepBootFiles } from "./boot_files.ts";
import { absentCompanions, type Companion, readAround } from "./companions.ts";
import type { BackupContext } from "./context.ts";
import { copyDisks, type NamedCopy } from "./copy_disks.ts";
import { captureConfigs, runPreBackupCommands } from "./gather.ts";
import { ImagesReadBack, manifestDisks, readBackImages } from "./read_back_images.ts";
import type { Examined } from "./examine.ts";
import type { Survey } from "../survey/survey.ts";

export interface TakenBackup {
  readonly folder: string;
  readonly manifest: Manifest;
  readonly checks: readonly CheckResult[];
}

/**
 * Makes one backup of an examined domain: capture, copy, release, read-back, publish, checks. On failure the
 * capture is released; the journal tells what else there is to undo.
 */
export async function takeBackup(
  context: BackupContext,
  journal: Journal,
  folders: { readonly scratchFolder: string; readonly stagingFolder: string },
  { survey, choice, checks }: Examined,
): Promise<TakenBackup> {
  const { system, settings, entry, request, phases, report, signal, virsh } = context;
  const { domain, description } = survey;
  const address: BackupAddress = {
    root: settings.backupRoot,
    hypervisor: settings.hypervisorName,
    vm: entry.name,
    id: context.id,
  };

  phases.begin("prepare", `Preparing ${context.id}`);
  const partial = await beginPartial(context.share, journal, address);
  await partial.add(`${entry.name}.xml`, "domain-xml", survey.persistentXml);
  if (survey.liveXml !== undefined) {
    await partial.add(`${entry.name}-live.xml`, "live-xml", survey.liveXml);
  }
  const boot = await keepBootFiles(system.files, partial, survey.otherData);
  for (const text of boot.warnings) report({ kind: "warning", text });
  await runPreBackupCommands(context);
  for (const { name, content } of await captureConfigs(context)) {
    await partial.add(name, "config", content);
  }
  signal.throwIfAborted();

  phases.begin("capture", `Capturing by ${choice.method}`);
  const wanted = request.method ?? entry.method;
  const captureContext: CaptureContext = {
    system,
    virsh,
    domain,
    description,
    disks: survey.disks.chosen,
    journal,
    ...folders,
    freezeTimeoutSeconds: settings.freezeTimeoutSeconds,
    agentAnswers: survey.state === "running" && survey.agentProblem === undefined,
    crashAccepted: entry.agent === "fallback" || wanted === "snapshot",
    guestHooks: entry.guestHooks,
    managedSave: survey.info.managedSave,
    report,
  };
  const { value: capture, companions, warnings, notes } = await readAround(
    {
      system,
      domain,
      description,
      libvirtUri: settings.libvirtUri,
      isRunning: survey.state !== "shut off",
    },
    () => startCapture(choice.method, captureContext),
  );
  const seed = randomSeed();
  using behind = new ImagesReadBack(context, partial.folder, seed);
  let copies: readonly NamedCopy[];
  try {
    if (capture.frozen !== undefined) {
      report({ kind: "info", text: describeFrozen(capture.frozen) });
    }
    for (const text of warnings) report({ kind: "warning", text });
    for (const text of notes) report({ kind: "info", text });
    phases.begin("copy", `Copying ${capture.disks.map(({ target }) => target).join(", ")}`);
    copies = await copyDisks(system, capture, {
      vm: entry.name,
      folder: partial.folder,
      below: settings.backupRoot,
      compression: settings.compression,
      seed,
      checksum: !request.readBack && settings.compression === "none",
      onDurable: (target, upTo) => behind.durable(target, upTo),
      bandwidthLimit: settings.bandwidthLimit,
      shareTimeoutSeconds: settings.shareTimeoutSeconds,
      parallelDisks: request.parallelDisks,
      scratchFolder: folders.scratchFolder,
      leastLocalBytes: settings.minFreeBytes / 2,
      report,
      signal,
    });
    await capture.assertWhole();
  } catch (error) {
    phases.begin("release", `Releasing "${entry.name}"`);
    throw await withCleanup(await causeOf(capture, error), () => capture.release());
  }
  phases.begin("release", `Releasing "${entry.name}"`);
  await capture.release();

  await readBackImages(context, partial, copies, behind);
  phases.begin("publish", "Publishing");
  await addCompanions(partial, companions);
  await partial.add(logName, "log", context.log.text());
  const manifest = await describe(context, {
    ...{ survey, capture, copies, partial },
    otherData: boot.kept,
    absent: absentCompanions(description, companions),
  });
  const folder = await partial.publish(manifest);

  phases.begin("post-checks", "Checking the VM and the backup");
  // What QEMU left there is ours to delete, now that nothing serves from it.
  await removeUnusedScratch({ system, virsh, domain }, folders.scratchFolder);
  const after = await runChecks(
    postBackupChecks({
      system,
      share: context.share,
      virsh,
      domain,
      backup: await readBackup(context.share, address),
      settings,
    }),
    report,
  );
  assertPassed(`Checks after the backup of "${entry.name}"`, after);
  return { folder, manifest, checks: [...checks, ...after] };
}

/** Hooks of the guest's own run within the agent's freeze and thaw, and are no part of the time between them. */
function describeFrozen({ freezeMs, heldMs, thawMs, atMostMs }: FrozenTimes): string {
  return `File systems stood still for ${heldMs} to ${atMostMs} ms: the agent took ${freezeMs} ms for its freeze ` +
    `and ${thawMs} ms for its thaw, with the guest's own hooks`;
}

/** A capture that was lost is told first; what the copy saw of that is no news then. */
async function causeOf(capture: Capture, thrown: unknown): Promise<VmbError> {
  const error = toVmbError(thrown);
  if (error.code.startsWith("nbd.")) {
    const lost = await capture.assertWhole().then(() => error, toVmbError);
    return lost.code.startsWith("capture.") ? lost : error;
  }
  const end = await capture.ended().catch(() => undefined);
  if (end === undefined || end.code === error.code) return error;
  const exit = error instanceof CancelledError ? error.exit : end.exit;
  return new VmbError(`${end.message}; and then: ${error.message}`, { ...end, exit });
}

/** Runs a cleanup after an error; if it fails too, both are told. */
async function withCleanup(thrown: unknown, cleanup: () => Promise<void>): Promise<VmbError> {
  const error = toVmbError(thrown);
  try {
    await cleanup();
    return error;
  } catch (second) {
    return alsoFailed(error, toVmbError(second));
  }
}

function startCapture(method: Capture["method"], context: CaptureContext): Promise<Capture> {
  switch (method) {
    case "quiesce":
      return captureQuiesced(context);
    case "snapshot":
      return captureSnapshot(context);
    case "offline":
      return captureOffline(context);
  }
}

async function addCompanions(
  partial: PartialBackup,
  companions: readonly Companion[],
): Promise<void> {
  for (const { name, role, content } of companions) await partial.add(name, role, content);
}

async function describe(
  context: BackupContext,
  { survey, capture, copies, partial, otherData, absent }: {
    readonly survey: Survey;
    readonly capture: Capture;
    readonly copies: readonly NamedCopy[];
    readonly partial: PartialBackup;
    readonly otherData: readonly ManifestOtherData[];
    readonly absent: readonly string[];
  },
): Promise<Manifest> {
  const { entry, request, settings, system, phases, log } = context;
  const files = partial.files();
  const disks = manifestDisks(context, survey, copies);
  return {
    schemaVersion,
    needs: needsOf(disks),
    id: context.id,
    vm: { name: entry.name, uuid: survey.domain.uuid },
    hypervisor: settings.hypervisorName,
    runId: context.runId,
    versions: { vmb: context.vmbVersion, ...await versions(context.virsh) },
    startedAt: context.startedAt.toISOString(),
    instant: capture.instant.toISOString(),
    finishedAt: system.clock.now().toISOString(),
    method: capture.method,
    requestedMethod: request.method ?? entry.method,
    level: "full",
    requestedLevel: request.levelWord,
    consistency: capture.consistency,
    frozenMs: capture.frozen?.atMostMs ?? null,
    autostart: survey.info.autostart,
    baculaJobId: request.baculaJobId ?? null,
    disks,
    skippedDisks: survey.disks.skipped.map(({ disk, reason }) => ({
      target: disk.target,
      device: disk.device,
      source: disk.source ?? null,
      reason,
    })),
    otherData: [...otherData],
    secrets: survey.secrets.map((secret) => ({ ...secret })),
    absent: [...absent],
    files: [...files],
    bytesRead: copies.reduce((sum, { readBytes }) => sum + readBytes, 0),
    bytesWritten: files.reduce((sum, { size }) => sum + size, 0),
    seconds: phases.seconds(),
    readBack: request.readBack,
    warnings: [...log.warnings()],
  };
}
