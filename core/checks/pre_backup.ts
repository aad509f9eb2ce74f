import type { MethodChoice } from "../survey/choose_method.ts";
import type { Survey } from "../survey/survey.ts";
import type { VmEntry } from "../config/vm_list.ts";
import type { Settings } from "../config/settings.ts";
import { runningBackupXml } from "../libvirt/backup_job.ts";
import { busyDisks } from "../libvirt/block_job.ts";
import { domainMoments } from "../libvirt/domain_info.ts";
import type { Virsh } from "../libvirt/virsh.ts";
import { shareChecks } from "./share.ts";
import type { System } from "../sys/system.ts";
import { localSpace, scratchFolder } from "./scratch.ts";
import { definitionsVerdict, disksVerdict, secretsVerdict } from "./disks.ts";
import { type Check, type CheckVerdict, failed, passed, warned } from "./check.ts";

export interface PreBackupContext {
  readonly system: Pick<System, "files" | "processes" | "host">;
  readonly settings: Settings;
  readonly entry: VmEntry;
  readonly virsh: Virsh;
  readonly survey: Survey;
  readonly choice: MethodChoice;
}

/** All that must be so before a domain is touched. */
export function preBackupChecks(context: PreBackupContext): readonly Check[] {
  const { survey, choice, system, virsh } = context;
  const expectedBytes = expectedSize(survey);
  return [
    {
      name: "vm-state",
      run: () => vmState(survey, choice),
    },
    {
      name: "guest-agent",
      run: () => guestAgent(survey, choice),
    },
    {
      name: "disks",
      run: () => disksVerdict(survey, choice),
    },
    { name: "definitions", run: () => definitionsVerdict(survey) },
    { name: "secrets", run: () => secretsVerdict(virsh, survey) },
    {
      name: "no-snapshots",
      run: async () => {
        const { snapshots, checkpoints } = await domainMoments(virsh, survey.domain);
        if (snapshots.length > 0) {
          return failed(
            `the VM has snapshots: ${snapshots.join(", ")}`,
            `A backup would not keep them; look at them: virsh snapshot-list ${survey.domain.uuid}`,
          );
        }
        if (checkpoints.length > 0) {
          return failed(
            `the VM has checkpoints of another program: ${checkpoints.join(", ")}`,
            "Two backup programs on one VM break each other's chains: let one of them do it",
          );
        }
        return passed("no snapshots, no checkpoints");
      },
    },
    { name: "no-overlays", run: () => overlays(context) },
    { name: "no-block-jobs", run: () => blockJobs(context) },
    { name: "nvram", run: () => variableStore(system, survey) },
    ...shareChecks(context, expectedBytes),
    { name: "scratch-folder", run: () => scratchFolder(context) },
    { name: "local-space", run: () => localSpace(context, expectedBytes) },
    { name: "programs", run: () => programs(system) },
  ];
}

/** Bytes that an image of each chosen disk takes at most. */
export function expectedSize({ disks }: Pick<Survey, "disks">): number {
  return disks.chosen.reduce((sum, { image }) => sum + image.needed, 0);
}

function vmState({ state, info }: Survey, choice: MethodChoice) {
  if (choice.kind === "none") return failed(choice.reason, choice.hint);
  if (info.managedSave) {
    return warned(
      `${state}, with a saved memory image: the disks are those of a guest that was suspended`,
      "Start it and shut it down for a clean image",
    );
  }
  const reason = choice.reason === undefined ? "" : ` (${choice.reason})`;
  return passed(`${state}, method ${choice.method}${reason}`);
}

function guestAgent({ state, agentProblem }: Survey, choice: MethodChoice) {
  if (state !== "running") {
    return { outcome: "skipped", detail: `the VM is ${state}` } as const;
  }
  if (agentProblem === undefined) return passed("answers");
  if (choice.kind === "none") return failed(agentProblem, choice.hint);
  return warned(choice.fallback ?? `${agentProblem}: the image will be crash-consistent`);
}

function overlays({ survey, entry }: PreBackupContext): CheckVerdict {
  const layered = survey.disks.chosen.flatMap(({ target, source, image, backing }) => {
    const below = image.backing[0]?.source ?? backing[0]?.source;
    return below === undefined ? [] : [`${target} ("${source}" over "${below}")`];
  });
  if (layered.length === 0) return passed("every disk is a single image");
  if (entry.allowBackingChain) return passed(`backing chains are allowed: ${layered.join(", ")}`);
  return failed(
    `disks lie on overlays: ${layered.join(", ")}`,
    "Someone's snapshot: commit it first. A linked clone: set allow_backing_chain: true in vm-list.yaml",
  );
}

async function blockJobs({ survey, virsh }: PreBackupContext): Promise<CheckVerdict> {
  const { domain, description, state } = survey;
  if (state === "shut off") return passed("no block jobs");
  const targets = description.disks.map(({ target }) => target);
  const busy = await busyDisks(virsh, domain, targets);
  if (busy.length > 0) {
    return failed(
      `a block job runs on ${busy.join(", ")}`,
      `Wait for it, or end it: virsh blockjob ${domain.uuid} ${busy[0]} --abort`,
    );
  }
  if (await runningBackupXml(virsh, domain) === undefined) return passed("no block jobs");
  return failed("a backup job of another program runs", "Wait until it has ended");
}

async function variableStore(
  { files }: Pick<System, "files">,
  { state, description: { nvram, foreignNvram } }: Survey,
): Promise<CheckVerdict> {
  if (foreignNvram !== undefined) {
    return failed(`the UEFI variable store is of type "${foreignNvram}", not file`);
  }
  if (nvram === undefined) return { outcome: "skipped", detail: "no UEFI" };
  if (await files.inspectTarget(nvram) !== undefined) return passed(`"${nvram}"`);
  return state === "shut off"
    ? {
      outcome: "skipped",
      detail: `"${nvram}" is not there yet: the next start makes it from its template`,
    }
    : warned(
      `"${nvram}" is missing, though the VM runs: its next start begins with an empty one`,
      "Someone removed it: look for it before the VM is shut down",
    );
}

/** A program that is missing throws by itself, with exit code 5. */
async function programs({ processes }: Pick<System, "processes">) {
  const version = await processes.run(["qemu-img", "--version"]);
  await processes.run(["qemu-nbd", "--version"]);
  return passed(version.stdout.split("\n")[0] ?? "");
}
