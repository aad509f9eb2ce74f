import type { MethodChoice } from "../backup/choose_method.ts";
import type { Survey } from "../backup/survey.ts";
import type { VmEntry } from "../config/vm_list.ts";
import type { Settings } from "../config/settings.ts";
import { formatBytes } from "../format/bytes.ts";
import { runningBackupXml } from "../libvirt/backup_job.ts";
import { domainMoments } from "../libvirt/domain_info.ts";
import type { Virsh } from "../libvirt/virsh.ts";
import { probeShareWrite, shareFreeBytes, shareMount } from "../repository/share.ts";
import type { System } from "../sys/system.ts";
import { type Check, failed, passed, warned } from "./check.ts";

export interface PreBackupContext {
  readonly system: Pick<System, "files" | "processes" | "host">;
  readonly settings: Settings;
  readonly entry: VmEntry;
  readonly virsh: Virsh;
  readonly survey: Survey;
  readonly choice: MethodChoice;
}

/** Room that a backup leaves on the share beyond the data of the VM, in bytes. */
const shareReserve = 256 * 1024 ** 2;

/** Part of the VM's data that the guest is expected to overwrite at most during a copy. */
const scratchShare = 0.1;

/** All that must be so before a domain is touched. */
export function preBackupChecks(context: PreBackupContext): readonly Check[] {
  const { survey, choice, entry, settings, system, virsh } = context;
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
      run: () => {
        const { problems, chosen, skipped } = survey.disks;
        if (problems.length > 0) {
          return failed(
            problems.join("; "),
            "Exclude such a disk in vm-list.yaml: disks: { exclude: [vdb] }",
          );
        }
        const left = skipped.map(({ disk, reason }) => `${disk.target} (${reason})`).join(", ");
        return passed(
          `${chosen.map((disk) => disk.target).join(", ")}${left && `; left out: ${left}`}`,
        );
      },
    },
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
    { name: "no-overlays", run: () => overlays(survey, entry) },
    {
      name: "no-block-jobs",
      run: async () => {
        const jobs = survey.description.disks.filter(({ mirror }) => mirror !== undefined);
        if (jobs.length > 0) {
          return failed(
            `a block job runs: ${
              jobs.map(({ target, mirror }) => `${mirror?.job} on ${target}`).join(", ")
            }`,
            `Wait for it, or end it: virsh blockjob ${survey.domain.uuid} ${
              jobs[0]?.target
            } --abort`,
          );
        }
        if (survey.state !== "running") return passed("no block jobs");
        if (await runningBackupXml(virsh, survey.domain) === undefined) {
          return passed("no block jobs");
        }
        return failed("a backup job of another program runs", "Wait until it has ended");
      },
    },
    {
      name: "share-mounted",
      run: async () => {
        const mount = await shareMount(system, settings);
        return mount.readonly
          ? failed(
            `"${settings.backupRoot}" is mounted read-only from ${mount.source}`,
            `Run: mount -o remount,rw ${mount.point}`,
          )
          : passed(`${mount.source} (${mount.type}) on ${mount.point}`);
      },
    },
    {
      name: "share-writable",
      run: async () => {
        await shareMount(system, settings);
        await probeShareWrite(system, settings);
        return passed(`answers within ${settings.shareTimeoutSeconds} s and takes a durable write`);
      },
    },
    {
      name: "share-space",
      run: async () => {
        await shareMount(system, settings);
        const free = await shareFreeBytes(system, settings);
        const needed = expectedBytes + shareReserve;
        const detail = `${formatBytes(free)} free, up to ${formatBytes(needed)} needed`;
        return free >= needed
          ? passed(detail)
          : failed(detail, "Make room on the share, or exclude a disk in vm-list.yaml");
      },
    },
    {
      name: "local-space",
      run: async () => {
        const { free } = await nearestSpace(system, settings.scratchDir);
        const reserve = choice.kind === "chosen" && choice.method === "offline"
          ? 0
          : Math.ceil(expectedBytes * scratchShare);
        const needed = settings.minFreeBytes + reserve;
        const detail = `${formatBytes(free)} free at "${settings.scratchDir}", ${
          formatBytes(needed)
        } needed`;
        return free > needed ? passed(detail) : failed(
          detail,
          "What the guest overwrites during the copy is kept there; MIN_FREE_GB sets what must stay free",
        );
      },
    },
    { name: "programs", run: () => programs(system) },
  ];
}

/** Bytes that the chosen disks hold on the host: the most that an image can need. */
export function expectedSize({ disks, sizes }: Survey): number {
  return disks.chosen.reduce((sum, { target }) => {
    const size = sizes.get(target);
    return sum + Math.min(size?.allocation ?? 0, size?.capacity ?? 0);
  }, 0);
}

function vmState({ state, info }: Survey, choice: MethodChoice) {
  if (info.managedSave) {
    return warned(
      `${state}, with a saved memory image: the disks are those of a guest that was suspended`,
      "Start it and shut it down for a clean image",
    );
  }
  if (choice.kind === "none") return failed(choice.reason, choice.hint);
  return passed(`${state}, method ${choice.method}`);
}

function guestAgent({ state, agentProblem }: Survey, choice: MethodChoice) {
  if (state !== "running") {
    return { outcome: "skipped", detail: `the VM is ${state}` } as const;
  }
  if (agentProblem === undefined) return passed("answers");
  if (choice.kind === "none") return failed(agentProblem, choice.hint);
  return warned(choice.fallback ?? `${agentProblem}: the image will be crash-consistent`);
}

function overlays({ description }: Survey, entry: VmEntry) {
  const layered = description.disks.filter(({ backing, device }) =>
    backing.length > 0 && device === "disk"
  );
  if (layered.length === 0) return passed("every disk is a single image");
  const list = layered.map(({ target, source, backing }) =>
    `${target} ("${source}" over "${backing[0]?.source}")`
  ).join(", ");
  if (entry.allowBackingChain) return passed(`backing chains are allowed: ${list}`);
  return failed(
    `disks lie on overlays: ${list}`,
    "Someone's snapshot: commit it first. A linked clone: set allow_backing_chain: true in vm-list.yaml",
  );
}

/** Space where a folder is, or will be once it is made. */
async function nearestSpace({ files }: Pick<System, "files">, path: string) {
  let folder = path;
  while (folder !== "/" && await files.inspectTarget(folder) === undefined) {
    folder = folder.slice(0, folder.lastIndexOf("/")) || "/";
  }
  return await files.space(folder);
}

/** A program that is missing throws by itself, with exit code 5. */
async function programs({ processes }: Pick<System, "processes">) {
  const version = await processes.run(["qemu-img", "--version"]);
  await processes.run(["qemu-nbd", "--version"]);
  return passed(version.stdout.split("\n")[0] ?? "");
}
