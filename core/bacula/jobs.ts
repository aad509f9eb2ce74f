import type { Site } from "../config/site.ts";
import type { VmEntry } from "../config/vm_list.ts";
import { nameArgument } from "../config/escaped_name.ts";
import { baculaCommand, type Word } from "./command.ts";
import { messageNames } from "./messages.ts";
import { clientName, resourceNames, vmJobName } from "./names.ts";
import type { BaculaPlaces } from "./places.ts";
import { type Line, type Resource, syntax } from "./resource.ts";
import { scheduleName } from "./schedules.ts";

/**
 * How long a job may wait for a volume, once its script has begun. The script is no wait; without this, what it
 * left could not be stored, and the job would hold all others until Max Run Time is over.
 */
export const maxWait = syntax("10 minutes");

/** What all jobs that back up VMs have in common. */
export function vmDefaults(site: Site): Resource {
  const hours = syntax(`${site.cycle.maxRunHours} hours`);
  return {
    kind: "JobDefs",
    lines: [
      ["Name", resourceNames.vmDefaults],
      ["Type", syntax("Backup")],
      ["Level", syntax("Full")],
      ["Storage", resourceNames.storage],
      ["Pool", resourceNames.metadataPool],
      ["Messages", messageNames.standard],
      ["Maximum Concurrent Jobs", 1],
      ["Allow Duplicate Jobs", false],
      ["Cancel Queued Duplicates", true],
      ...mixedPriority(site),
      ["Max Start Delay", hours],
      ["Max Run Time", hours],
      ["Max Wait Time", maxWait],
      // A full backup that failed, or is long ago, is made up for by the next one, whatever its schedule says.
      ["Rerun Failed Levels", true],
      ["Max Full Interval", syntax("40 days")],
    ],
  };
}

/**
 * The priority of a VM's job. Beside a job that runs, Bacula begins only one of the same priority, or of a better
 * one (dird/jobq.c), so with several at once all VMs have the same; Bacula then takes them in the order of its
 * file, which is that of the list's priorities.
 */
export function vmPriority({ concurrency }: Pick<Site, "concurrency">, vm: VmEntry): number {
  return concurrency === 1 ? vm.priority : sharedPriority;
}

const sharedPriority = 10;

/**
 * With several jobs at once: VMs, which have the better priority, may also begin beside a test restore. Jobs that
 * use another volume may not: the Storage Daemon has one device, and the one would wait for the other.
 */
export function mixedPriority({ concurrency }: Pick<Site, "concurrency">): readonly Line[] {
  return concurrency === 1 ? [] : [["Allow Mixed Priority", true]];
}

/**
 * The job of a VM. It stores only what describes the backup; the disks are copied by vmb on the hypervisor,
 * which the job starts there.
 *
 * The type must be Backup: an Admin job ends well without ever running a script on a client.
 */
export function vmJob(
  site: Pick<Site, "concurrency">,
  vm: VmEntry,
  places: BaculaPlaces,
): Resource {
  const schedule = scheduleName(vm.schedule);
  const name = vmJobName(vm.name);
  return {
    kind: "Job",
    lines: [
      ["Name", name],
      ["Description", `${vm.name} on ${vm.hypervisor}`],
      ["JobDefs", resourceNames.vmDefaults],
      ["Client", clientName(vm.hypervisor)],
      ["FileSet", name],
      ...(schedule === undefined ? [] : [["Schedule", schedule] as const]),
      ["Priority", vmPriority(site, vm)],
      onClient([
        ...[places.hypervisor.launcher, "backup", nameArgument(vm.name)],
        ...[{ code: "l" }, { code: "i" }] as const,
      ]),
      failureHook(places),
    ],
  };
}

/** A script on the hypervisor, before the data: if it fails, the job has failed. */
export function onClient(command: readonly Word[]): Resource {
  return runScript([
    ["Runs When", syntax("Before")],
    ["Runs On Client", true],
    ["Fail Job On Error", true],
    ["Command", baculaCommand(command)],
  ]);
}

/**
 * A script of the Director, before the data.
 *
 * @param seconds that it may take: Max Run Time begins after it, so one that hangs would hold all jobs
 */
export function onDirector(
  hook: string,
  args: readonly string[],
  places: BaculaPlaces,
  seconds: number,
): Resource {
  return runScript([
    ["Runs When", syntax("Before")],
    ["Runs On Client", false],
    ["Timeout", seconds],
    ["Fail Job On Error", true],
    ["Command", baculaCommand(["/bin/sh", `${places.config}/hooks/${hook}`, ...args])],
  ]);
}

/** Tells of a job that failed, also when its client cannot be reached. */
export function failureHook(places: BaculaPlaces): Resource {
  return runScript([
    ["Runs When", syntax("After")],
    ["Runs On Client", false],
    ["Timeout", 120],
    ["Runs On Success", false],
    ["Runs On Failure", true],
    ["Fail Job On Error", false],
    [
      "Command",
      baculaCommand([
        ...["/bin/sh", `${places.config}/hooks/job-failed.sh`],
        ...[`${places.work}/failed`, `${places.secrets}/vmb-slack-failure-webhook`],
        ...[{ code: "n" }, { code: "i" }, { code: "c" }, { code: "e" }] as const,
      ]),
    ],
  ]);
}

function runScript(lines: readonly Line[]): Resource {
  return { kind: "RunScript", lines };
}
