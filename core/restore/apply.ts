import type { RunFolders } from "../journal/folders.ts";
import type { Settings } from "../config/settings.ts";
import type { Report } from "../event.ts";
import { formatBytes } from "../format/bytes.ts";
import { persistentXml } from "../libvirt/domain.ts";
import { domainInfo } from "../libvirt/domain_info.ts";
import { unpackTpmState } from "../libvirt/tpm_state.ts";
import type { Virsh } from "../libvirt/virsh.ts";
import type { BackupFiles } from "../repository/backup_files.ts";
import type { Journal } from "../journal/journal.ts";
import type { System } from "../sys/system.ts";
import { serveFill } from "../undo/fill.ts";
import { ensureIsolatedNetwork } from "./isolated_network.ts";
import { createOverlay } from "../image/overlay.ts";
import { beginFile, placeFile, setAside } from "./place.ts";
import type { PlannedDisk, RestorePlan } from "./plan.ts";
import { restoreImage } from "./restore_image.ts";
import { startOnBackup } from "./start.ts";
import { undefine } from "../undo/restored.ts";

export interface ApplyContext extends RunFolders {
  readonly system: System;
  readonly settings: Settings;
  readonly virsh: Virsh;
  readonly journal: Journal;
  readonly plan: RestorePlan;
  readonly files: BackupFiles;
  readonly report: Report;
  readonly signal: AbortSignal;
}

/** Disks that are restored side by side. */
const disksAtOnce = 2;

/** Neither share nor disk may stand still for so many of the share's time-outs. */
export const stallFactor = 10;

/**
 * Does what a plan says. Each step is in the journal before it is done; the last line there says that the
 * restore is whole, and until then all of it can be undone.
 */
export async function applyRestore(context: ApplyContext): Promise<void> {
  const { system, journal, plan, report, signal, virsh } = context;
  const targets = plan.disks.map(({ disk }) => disk).join(", ");
  report({ kind: "phase", phase: "copy", text: `Restoring ${targets}` });
  if (plan.fillsLater) await beginFill(context);
  else await restoreDisks(context);
  await restoreCompanions(context);
  signal.throwIfAborted();

  report({ kind: "phase", phase: "define", text: `Defining "${plan.name}"` });
  if (plan.network.kind === "isolated") {
    await ensureIsolatedNetwork(system, virsh, context.stagingFolder);
  }
  await keepPreviousXml(context);
  for (const aside of plan.setAside) {
    await setAside(system, journal, aside);
    report({ kind: "info", text: `Set aside "${aside.from}" as "${aside.to}"` });
  }
  for (const path of pathsOf(plan)) await placeFile(system, journal, path);
  await define(context);
  if (plan.mode !== "clone") {
    await virsh.run(["autostart", plan.uuid, ...plan.autostart ? [] : ["--disable"]]);
  }
  signal.throwIfAborted();
  if (plan.fillsLater) await startOnBackup(system, virsh, plan, context.stagingFolder);
  await journal.write({ step: "restored" });
}

function pathsOf({ disks, nvram, tpm }: RestorePlan): readonly string[] {
  return [...disks.map(({ path }) => path), nvram, tpm].filter((path) => path !== undefined);
}

async function restoreDisks(context: ApplyContext): Promise<void> {
  const stop = new AbortController();
  const signal = AbortSignal.any([context.signal, stop.signal]);
  const waiting = [...context.plan.disks];
  const worker = async () => {
    for (let disk = waiting.shift(); disk; disk = waiting.shift()) {
      await restoreDisk({ ...context, signal }, disk);
    }
  };
  // All of them are waited for: one that still wrote would write into what is being removed.
  const ends = await Promise.allSettled(
    Array.from({ length: disksAtOnce }, () =>
      worker().catch((error) => {
        stop.abort(error);
        throw error;
      })),
  );
  const failed = ends.find((end) => end.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

/** Lays overlays over the images of the backup: the VM runs on them until they are whole disks. */
async function beginFill(context: ApplyContext): Promise<void> {
  const { system, virsh, journal, plan, scratchFolder, stagingFolder, signal } = context;
  const fill = {
    step: "fill",
    // Beside the run's own folders: whatever works in those ends with the run.
    socketFolder: `${scratchFolder}-fill`,
    logFolder: `${stagingFolder}-fill`,
    disks: plan.disks.map(({ disk, path, image, sha256 }) => ({
      ...{ target: disk, path, image, sha256 },
    })),
  } as const;
  await journal.write(fill);
  const { exports } = await serveFill({ system, virsh }, fill);
  for (const source of exports) {
    const path = plan.disks.find(({ disk }) => disk === source.target)?.path ?? "";
    await createOverlay(system, source, await beginFile(journal, path), signal);
  }
}

async function restoreDisk(context: ApplyContext, planned: PlannedDisk): Promise<void> {
  const { system, settings, journal, report, signal } = context;
  const { disk, path, image, size, sha256, form, virtualSize } = planned;
  const since = system.clock.monotonic();
  await restoreImage(system, {
    ...{ image, size, sha256, form, virtualSize, signal },
    below: settings.backupRoot,
    target: await beginFile(journal, path),
    stallMs: settings.shareTimeoutSeconds * stallFactor * 1000,
    onProgress: (done, total) => report({ kind: "progress", target: disk, done, total }),
  });
  const seconds = (system.clock.monotonic() - since) / 1000;
  report({
    kind: "info",
    text: `${disk}: ${formatBytes(size)} read and compared in ${seconds.toFixed(1)} s (${
      formatBytes(size / seconds)
    }/s)`,
  });
}

async function restoreCompanions(context: ApplyContext): Promise<void> {
  const { system, journal, plan, files } = context;
  if (plan.nvram !== undefined && files.nvram !== undefined) {
    await system.files.write(await beginFile(journal, plan.nvram), files.nvram.content);
  }
  if (plan.tpm !== undefined && files.tpm !== undefined) {
    await unpackTpmState(system.files, files.tpm, await beginFile(journal, plan.tpm));
  }
}

async function keepPreviousXml({ system, journal, virsh, plan }: ApplyContext): Promise<void> {
  if (plan.replaces === undefined || plan.previousXml === undefined) return;
  const xml = await persistentXml(virsh, plan.replaces);
  await journal.write({ step: "restore-file", path: plan.previousXml, inode: null });
  await system.files.write(plan.previousXml, xml);
}

async function define(context: ApplyContext): Promise<void> {
  const { system, journal, virsh, plan, stagingFolder } = context;
  const { name, uuid, replaces, previousXml } = plan;
  const file = `${stagingFolder}/domain.xml`;
  await system.files.write(file, plan.xml);
  const previous = replaces && previousXml
    ? {
      uuid: replaces.uuid,
      xmlFile: previousXml,
      autostart: (await domainInfo(virsh, replaces)).autostart,
    }
    : null;
  await journal.write({ step: "restore-domain", uuid, name, previous });
  // libvirt takes a new definition only under the same name and UUID.
  if (replaces && (replaces.uuid !== uuid || replaces.name !== name)) {
    await undefine(virsh, replaces);
  }
  await virsh.run(["define", "--file", file]);
}
