import type { Configuration } from "../config/configuration.ts";
import { vmEntry } from "../config/configuration.ts";
import { exitCodes, toVmbError, VmbError } from "../error.ts";
import type { Report } from "../event.ts";
import { versions } from "../libvirt/domain_info.ts";
import { qemuOwner } from "../libvirt/qemu_owner.ts";
import { type StoredBackup, usable } from "../repository/backups.ts";
import type { RunFacts } from "../run/record.ts";
import { openRun } from "../run/open_run.ts";
import { withRun } from "../run/with_run.ts";
import { withJournal } from "../run/with_journal.ts";
import type { System } from "../sys/system.ts";
import { readBackupFiles } from "../repository/backup_files.ts";
import { readConsole } from "./boot.ts";
import type { ProofContext, ProofRequest, RunningCopy } from "./context.ts";
import { type Examination, examineCopy, isNoVerdict, judgeError } from "./examine_copy.ts";
import { makeIsolatedNetwork } from "./isolated_network.ts";
import { launchCopy } from "./launch.ts";
import type { Proof } from "./proof.ts";
import { type Evidence, proofsFolder, storeProof } from "./proofs.ts";
import { destroyTestDomain } from "../undo/test_domain.ts";
import { testRunPrefix } from "./run_name.ts";
import { screenshotName } from "./screenshot.ts";
import { stageCompanions, stageDisks } from "./stage.ts";
import { stepOk, Steps } from "./steps.ts";

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
  const { configuration, vmbVersion, since, ...host } = options;
  const { address } = backup;
  const usableBackup = usable(backup, "restore");
  const short = crypto.randomUUID().slice(0, 8);
  const run = openRun(
    { ...host, settings: configuration.settings },
    // Short, for it is a part of the paths of sockets, which have at most 107 bytes.
    { kind: "test-restore", vm: address.vm, runId: `${testRunPrefix}${short}` },
  );
  return await withRun(run, async () => {
    await run.log.keep();
    const copy = { name: copyName(address.vm, short), uuid: crypto.randomUUID() };
    const owner = await qemuOwner(run.virsh);
    const value = await withJournal(run, copy, async (journal) => {
      const context: ProofContext = {
        ...{ ...run, request, copy, short, owner, journal },
        validate: vmEntry(configuration, address.vm).validate,
        backup: usableBackup,
        steps: new Steps(run.system.clock, run.report),
      };
      return await proveCopy(context, { vmbVersion, since });
    }, { vm: address.vm, owner });
    return { value, facts: factsOf(value) };
  });
}

/** Boots the copy, gathers what it shows, and keeps the proof. */
async function proveCopy(
  context: ProofContext,
  options: Pick<ProofOptions, "vmbVersion" | "since">,
): Promise<ProofOutcome> {
  const { request, virsh, copy, journal } = context;
  const ran = await runSteps(context);
  const evidence = await gatherEvidence(context, ran.running, ran.examined);
  const isKept = request.keep && ran.running !== undefined;
  if (!isKept) await destroyTestDomain(virsh, copy);
  const proof = await describe(context, options, ran);
  const folder = await keepProof(context, proof, evidence);
  if (isKept) await journal.write({ step: "kept" });
  return { proof, folder, kept: isKept ? copy : undefined };
}

function factsOf({ proof }: ProofOutcome): RunFacts {
  const { verdict, reason } = proof;
  return {
    result: verdict === "pass" ? "ok" : verdict === "fail" ? "failed" : "inconclusive",
    error: verdictError(proof),
    text: `${verdict}, ${reason}`,
    backupId: proof.backup.id,
  };
}

/** What a verdict that is no pass means to whoever asked for it; a pass is no error. */
export function verdictError({ vm, backup, verdict, reason }: Proof): VmbError | undefined {
  if (verdict === "pass") return undefined;
  const failed = verdict === "fail";
  return new VmbError(
    `Test restore of "${vm}" ${backup.id} ${failed ? "failed" : "is inconclusive"}: ${reason}`,
    { code: `proof.${verdict}`, exit: failed ? exitCodes.problems : exitCodes.partial },
  );
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
  { steps, backup, request, settings, virsh, system, runId, startedAt }: ProofContext,
  { vmbVersion, since }: Pick<ProofOptions, "vmbVersion" | "since">,
  { running, examined }: Ran,
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
  { share, journal, backup, settings, system, report, time }: ProofContext,
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
