import { type ExportServer, serveImages } from "../image/export_server.ts";
import { makeRunFolders } from "../journal/folders.ts";
import { VmbError } from "../error.ts";
import type { Report } from "../event.ts";
import { blockJob } from "../libvirt/block_job.ts";
import { type Domain, domainState } from "../libvirt/domain.ts";
import { qemuOwner } from "../libvirt/qemu_owner.ts";
import type { Virsh } from "../libvirt/virsh.ts";
import type { Journal } from "../journal/journal.ts";
import type { FilledDisk, JournalEntry } from "../journal/journal_entry.ts";
import { endStrayProcesses, processesUsing } from "./stray.ts";
import { runOk } from "../sys/process.ts";
import type { System } from "../sys/system.ts";
import { hasBacking } from "../image/overlay.ts";

export interface FillContext {
  readonly system: System;
  readonly virsh: Virsh;
  readonly domain: Domain;
  readonly journal: Journal;
  readonly report: Report;
  /** Until when its end is waited for; without one it is only set going. */
  readonly waiting: AbortSignal | undefined;
}

type Fill = Extract<JournalEntry, { step: "fill" }>;

/** How long a disk that nobody runs on may take to be filled: a day. */
const rebaseTimeoutMs = 24 * 3600 * 1000;

/** How long a server may take to let go. */
const serverPatienceMs = 30_000;

/** Serves the images that the disks of an instant restore read from. */
export async function serveFill(
  { system, virsh }: Pick<FillContext, "system" | "virsh">,
  { socketFolder, logFolder, disks }: Fill,
): Promise<ExportServer> {
  const owner = await qemuOwner(virsh);
  const folders = { scratchFolder: socketFolder, stagingFolder: logFolder };
  await makeRunFolders(system, folders, owner);
  const images = disks.map(({ target, image }) => ({
    ...{ target, path: image, format: "qcow2", alone: true },
  }));
  return await serveImages(system, images, { sockets: socketFolder, logs: logFolder }, owner);
}

/**
 * Brings the fill of an instant restore to its end, wherever it stands: sets it going again when its server or
 * its job is gone, waits for it if asked, and then takes the servers away. May be stopped, and called again.
 *
 * @throws {VmbError} `restore.filling` while a disk still reads from the backup; `restore.fill` when one cannot
 *   be filled; the reason of `waiting` when aborted
 */
export async function settleFill(context: FillContext): Promise<void> {
  const { system, journal, virsh, domain } = context;
  const { fill, restored } = journal.outstanding();
  if (fill === undefined) return;
  if (restored && await domainState(virsh, domain) !== undefined) {
    await fillDisks(context, fill);
    await resumeAfterError(context);
  }
  await endStrayProcesses(system, [fill.socketFolder, fill.logFolder], serverPatienceMs);
  await system.files.remove(fill.socketFolder);
  await system.files.remove(fill.logFolder);
  await journal.write({ step: "filled" });
}

async function fillDisks(context: FillContext, fill: Fill): Promise<void> {
  const { system, virsh, domain, waiting } = context;
  const unfilled = await unfilledDisks(context, fill);
  if (unfilled.length === 0) return;
  const served = await processesUsing(system, fill.socketFolder);
  if (!unfilled.every(({ target }) => served.some(({ argv }) => serves(argv, fill, target)))) {
    await endStrayProcesses(system, [fill.socketFolder, fill.logFolder], serverPatienceMs);
    await system.files.remove(fill.socketFolder);
    await system.files.remove(fill.logFolder);
    await serveFill(context, fill);
  }
  if (await domainState(virsh, domain) === "shut off") {
    if (waiting === undefined) throw stillFilling(domain, unfilled, "is shut off, and");
    for (const disk of unfilled) await fillAtRest(context, disk);
    return;
  }
  await resumeAfterError(context);
  for (const disk of unfilled) {
    await pull(context, disk);
    if (waiting === undefined) throw stillFilling(domain, unfilled, "runs, and");
    await waitForPull({ ...context, waiting }, disk);
  }
}

function serves(argv: readonly string[], { socketFolder }: Fill, target: string): boolean {
  return argv.includes(`--socket=${socketFolder}/${target}.sock`);
}

async function unfilledDisks(
  { system }: Pick<FillContext, "system">,
  { disks }: Fill,
): Promise<readonly FilledDisk[]> {
  const unfilled: FilledDisk[] = [];
  for (const disk of disks) {
    // Whoever has removed it, or put another in its place, has no use for the backup's.
    if (await system.files.inspect(disk.path) === undefined) continue;
    if (await hasBacking(system, disk.path)) unfilled.push(disk);
  }
  return unfilled;
}

async function pull({ virsh, domain }: FillContext, { target }: FilledDisk): Promise<void> {
  if (await blockJob(virsh, domain, target) !== undefined) return;
  await virsh.run(["blockpull", domain.uuid, target], { timeoutMs: 120_000 });
}

/** A guest whose disk could not be read was stopped, and goes on where it was. */
async function resumeAfterError({ virsh, domain, report }: FillContext): Promise<void> {
  const reason = await virsh.run(["domstate", domain.uuid, "--reason"]);
  if (!/paused \(I\/O error\)/.test(reason)) return;
  report({ kind: "info", text: `"${domain.name}" goes on: its backup can be read again` });
  await virsh.run(["resume", domain.uuid]);
}

async function waitForPull(
  context: FillContext & { readonly waiting: AbortSignal },
  disk: FilledDisk,
): Promise<void> {
  const { system, virsh, domain, report, waiting } = context;
  const { target, path } = disk;
  for (let pause = 20;; pause = Math.min(pause * 2, 2000)) {
    waiting.throwIfAborted();
    const job = await blockJob(virsh, domain, target);
    if (job === undefined) break;
    report({ kind: "progress", target, done: job.done, total: job.total });
    await system.clock.sleep(pause, waiting);
  }
  if (!await hasBacking(system, path)) return;
  const state = await domainState(virsh, domain);
  throw new VmbError(
    state === "running" || state === "paused"
      ? `Disk ${target} of "${domain.name}" was not filled: its job ended early`
      : `"${domain.name}" was shut off before disk ${target} was filled`,
    {
      code: "restore.fill",
      hint: "Look at the share and at the room for its disks; then run: vmb hv recover",
    },
  );
}

async function fillAtRest(
  { system, domain, report, waiting }: FillContext,
  { target, path }: FilledDisk,
): Promise<void> {
  report({ kind: "info", text: `Filling disk ${target} of "${domain.name}", which is shut off` });
  await runOk(
    system.processes,
    ["qemu-img", "rebase", "-f", "qcow2", "-b", "", path],
    { timeoutMs: rebaseTimeoutMs, signal: waiting },
  );
}

function stillFilling(domain: Domain, disks: readonly FilledDisk[], how: string): VmbError {
  const targets = disks.map(({ target }) => target).join(", ");
  return new VmbError(`"${domain.name}" ${how} still reads ${targets} from its backup`, {
    code: "restore.filling",
    hint: "Keep the share there; to wait until it stands on its own: vmb hv recover",
  });
}
