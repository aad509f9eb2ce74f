import type { Site } from "../config/site.ts";
import type { VmEntry } from "../config/vm_list.ts";
import { nameArgument } from "../config/escaped_name.ts";
import { baculaCommand, type Word } from "./command.ts";
import { messageNames } from "./messages.ts";
import { clientName, resourceNames, vmJobName } from "./names.ts";
import type { BaculaPlaces } from "./places.ts";
import { type Line, type Resource, syntax } from "./resource.ts";
import { scheduleName } from "./schedules.ts";

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
      // Jobs of different priorities run side by side only where all that run allow it.
      ...(site.concurrency > 1 ? [["Allow Mixed Priority", true] as const] : []),
      ["Max Start Delay", hours],
      ["Max Run Time", hours],
      // A full backup that failed, or is long ago, is made up for by the next one, whatever its schedule says.
      ["Rerun Failed Levels", true],
      ["Max Full Interval", syntax("40 days")],
    ],
  };
}

/**
 * The job of a VM. It stores only what describes the backup; the disks are copied by vmb on the hypervisor,
 * which the job starts there.
 *
 * The type must be Backup: an Admin job ends well without ever running a script on a client.
 */
export function vmJob(vm: VmEntry, places: BaculaPlaces): Resource {
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
      ["Priority", vm.priority],
      onClient([
        ...[places.hypervisor.vmb, "hv", "backup", nameArgument(vm.name)],
        ...["--level", { code: "l" }, "--job-id", { code: "i" }] as const,
        // Bacula starts the next job also while a canceled one, or one that lost its File Daemon, still runs.
        ...["--lock-wait", "60"],
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

/** A script of the Director, before the data. */
export function onDirector(hook: string, args: readonly string[], places: BaculaPlaces): Resource {
  return runScript([
    ["Runs When", syntax("Before")],
    ["Runs On Client", false],
    ["Fail Job On Error", true],
    ["Command", baculaCommand(["/bin/sh", `${places.config}/hooks/${hook}`, ...args])],
  ]);
}

/** Tells of a job that failed, also when its client cannot be reached. */
export function failureHook(places: BaculaPlaces): Resource {
  return runScript([
    ["Runs When", syntax("After")],
    ["Runs On Client", false],
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
