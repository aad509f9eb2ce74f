import type { Configuration } from "../config/configuration.ts";
import { vmEntry } from "../config/configuration.ts";
import { makeRunFolders, runFolders } from "../run/folders.ts";
import { toVmbError, VmbError } from "../error.ts";
import type { Report } from "../event.ts";
import { versions } from "../libvirt/domain_info.ts";
import { qemuOwner } from "../libvirt/qemu_owner.ts";
import { openVirsh } from "../libvirt/virsh.ts";
import { beginJournal } from "../journal/journal.ts";
import { undoRun } from "../undo/undo_run.ts";
import type { StoredBackup } from "../repository/backups.ts";
import { backupId } from "../repository/layout.ts";
import { shareFiles } from "../sys/share_files.ts";
import type { System } from "../sys/system.ts";
import { readBackupFiles } from "../repository/backup_files.ts";
import { readConsole } from "./boot.ts";
import type { ProofContext, ProofRequest, RunningCopy } from "./context.ts";
import { type Examination, examineCopy, isNoVerdict, judgeError } from "./examine_copy.ts";
import { makeIsolatedNetwork } from "./isolated_network.ts";
import { launchCopy } from "./launch.ts";
import type { Proof } from "./proof.ts";
import { type Evidence, proofsFolder, storeProof } from "./proofs.ts";
import { testRunPrefix } from "./run_name.ts";
import { screenshotName } from "./screenshot.ts";
import { stageCompanions, stageDisks } from "./stage.ts";
import { stepOk, Steps } from "./steps.ts";
import { destroyTestDomain } from "./test_domain.ts";

export interface ProofOptions {
  readonly system: System;
  readonly configuration: Configuration;
  readonly vmbVersion: string;
  readonly report: Report;
  readonly signal: AbortSignal;
  /** When the command was given, by the clock that never jumps. */
  readonly since: number;
}

export interface ProofOutcome {
  readonly proof: Proof;
  /** Where the proof is kept; `undefined` when no place took it. */
  readonly folder: string | undefined;
  /** The copy that still runs. */
  readonly kept: { readonly name: string; readonly uuid: string } | undefined;
}

/** The most of a console that is kept, in characters: its end tells. */
const consoleLimit = 512 * 1024;

/**
 * Boots a throw-away copy of a backup and finds out whether it lives. Nothing of the VM itself is touched:
 * not its domain, its disks, its networks, nor the backup. However it ends, the copy is destroyed, unless it
 * is to be kept.
 *
 * @throws {VmbError} when nothing can be said: a program is missing, libvirt does not answer, or the run was
 *   stopped. What a copy shows is a verdict, and no error
 */
export async function proveBackup(
  request: ProofRequest,
  backup: StoredBackup,
  options: ProofOptions,
): Promise<ProofOutcome> {
  const { system, configuration, report, signal } = options;
  const { settings } = configuration;
  const { address, manifest } = backup;
  if (manifest === undefined) {
    throw new VmbError(backup.problem ?? "", { code: "repository.manifest", exit: 6 });
  }
  const startedAt = system.clock.now();
  const time = backupId(startedAt);
  const short = crypto.randomUUID().slice(0, 8);
  const virsh = openVirsh(system.processes, settings.libvirtUri);
  // Short, for it is a part of the paths of sockets, which have at most 107 bytes.
  const runId = `${testRunPrefix}${short}`;
  const folders = runFolders(settings, runId);
  const copy = { name: copyName(address.vm, short), uuid: crypto.randomUUID() };
  const owner = await qemuOwner(virsh);
  const journal = await beginJournal(system.files, settings.stateDir, {
    step: "begin",
    run: runId,
    vm: address.vm,
    // The run has nothing to do with the VM itself.
    uuid: copy.uuid,
    uri: virsh.uri,
    pid: system.host.pid,
    ...folders,
    time: startedAt.toISOString(),
  });
  const shareTimeoutMs = settings.shareTimeoutSeconds * 1000;
  const undo = () => undoRun(journal, { system, report, shareTimeoutMs });
  const context: ProofContext = {
    ...{ system, settings, virsh, request, copy, short, owner, journal, report, signal },
    ...folders,
    share: shareFiles(system.files, settings.backupRoot, shareTimeoutMs),
    validate: vmEntry(configuration, address.vm).validate,
    backup: { ...backup, manifest },
    steps: new Steps(system.clock, report),
  };
  let outcome: ProofOutcome;
  try {
    await makeRunFolders(system, folders, owner);
    const { running, examined } = await runSteps(context);
    const evidence = await gatherEvidence(context, running, examined);
    if (!request.keep || running === undefined) await destroyTestDomain(virsh, copy);
    const proof = await describe(context, options, { runId, startedAt, running, examined });
    const folder = await keepProof(context, time, proof, evidence);
    const kept = request.keep && running ? copy : undefined;
    outcome = { proof, folder, kept };
  } catch (thrown) {
    await undo().catch((error) => {
      const { message, hint } = toVmbError(error);
      report({ kind: "error", text: message, hint });
    });
    throw thrown;
  }
  if (outcome.kept) {
    await journal.write({ step: "kept" });
    await journal.abandon();
  } else await undo();
  return outcome;
}

interface Ran {
  readonly running: RunningCopy | undefined;
  readonly examined: Examination | undefined;
}

/** Runs the steps up to the first one that cannot go on; that one is noted with what it means. */
async function runSteps(context: ProofContext): Promise<Ran> {
  const { steps, share, backup, request, signal, report } = context;
  let current = { name: "files", since: steps.now() };
  const begin = (name: string, text: string) => {
    signal.throwIfAborted();
    current = { name, since: steps.now() };
    report({ kind: "phase", phase: name, text });
  };
  let running: RunningCopy | undefined;
  let examined: Examination | undefined;
  try {
    begin("files", `Looking at ${backup.folder}`);
    const files = await readBackupFiles(share, backup);
    steps.add("files", current.since, stepOk(`${backup.manifest.files.length}, each as it was`));
    begin("disks", request.fullCopy ? "Copying the disks" : "Serving the disks read-only");
    const staged = {
      ...await stageDisks(context),
      ...await stageCompanions(context, files),
    };
    steps.add("disks", current.since, stepOk([...staged.disks.keys()].join(", ")));
    let network;
    if (request.network === "isolated") {
      begin("network", "Making an isolated network");
      network = await makeIsolatedNetwork(context, context.short);
      const { name, subnet } = network;
      steps.add("network", current.since, stepOk(`${name}, ${subnet.prefix}.0/24`));
    }
    begin("start", `Starting ${context.copy.name}`);
    running = await launchCopy(context, files.xml, staged, network);
    steps.add("start", current.since, stepOk(context.copy.name));
    begin("boot", "Waiting for a sign of life");
    examined = await examineCopy(context, running, staged);
  } catch (error) {
    if (isNoVerdict(error, signal)) throw error;
    steps.add(current.name, current.since, judgeError(error));
  }
  return { running, examined };
}

async function gatherEvidence(
  context: ProofContext,
  running: RunningCopy | undefined,
  examined: Examination | undefined,
): Promise<Evidence> {
  const evidence = new Map<string, Uint8Array>();
  if (running === undefined) return evidence;
  const text = await readConsole(context, running);
  evidence.set("console.log", new TextEncoder().encode(text.slice(-consoleLimit)));
  if (examined?.screenshot) evidence.set(screenshotName, examined.screenshot.png);
  return evidence;
}

async function describe(
  { steps, backup, request, settings, virsh, system }: ProofContext,
  { vmbVersion, since }: ProofOptions,
  { runId, startedAt, running, examined }: Ran & {
    readonly runId: string;
    readonly startedAt: Date;
  },
): Promise<Proof> {
  const { hypervisor, id, vm } = backup.address;
  const bootedAt = examined?.bootedAt;
  const secondsFrom = (from: number | undefined) =>
    from === undefined || bootedAt === undefined ? null : Math.round(bootedAt - from) / 1000;
  return {
    schemaVersion: 1,
    runId,
    vm,
    backup: { hypervisor, id },
    provedOn: settings.hypervisorName,
    startedAt: startedAt.toISOString(),
    finishedAt: system.clock.now().toISOString(),
    ...steps.verdict(),
    network: request.network,
    fullCopy: request.fullCopy,
    recoverySeconds: secondsFrom(since),
    bootSeconds: secondsFrom(running?.startedAt),
    bootedBy: examined?.bootedBy ?? null,
    compared: [...examined?.compared ?? []],
    system: examined?.system ?? null,
    fileSystems: [...examined?.fileSystems ?? []],
    addresses: [...examined?.addresses ?? []],
    steps: [...steps.list()],
    screenshot: examined?.screenshot?.facts ?? null,
    versions: { vmb: vmbVersion, ...await versions(virsh) },
  };
}

/** Keeps a proof beside the backup; on a share that takes nothing, with the logs of this hypervisor. */
async function keepProof(
  { share, journal, backup, settings, system, report }: ProofContext,
  time: string,
  proof: Proof,
  evidence: Evidence,
): Promise<string | undefined> {
  const { address } = backup;
  const places = [
    { share, parent: proofsFolder(address) },
    { share: system.files, parent: `${settings.logDir}/${address.vm}/${address.id}.proofs` },
  ];
  for (const place of places) {
    try {
      return await storeProof({ ...place, journal, time }, proof, evidence);
    } catch (error) {
      const { message, hint } = toVmbError(error);
      const text = `Proof was not kept in "${place.parent}": ${message}`;
      report({ kind: "warning", text, hint });
    }
  }
  return undefined;
}

/** Letters that need no quoting anywhere. */
function copyName(vm: string, short: string): string {
  const safe = vm.replace(/[^A-Za-z0-9_.]+/g, "-").replace(/^[-.]+/, "").slice(0, 40);
  return `${testRunPrefix}${safe || "vm"}-${short}`;
}
