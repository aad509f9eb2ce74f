import type { Site, SiteHypervisor } from "../config/site.ts";
import { failureHook, maxWait, mixedPriority, onClient, onDirector } from "./jobs.ts";
import { messageNames } from "./messages.ts";
import { clientName, resourceNames, testRestoreJobName } from "./names.ts";
import type { BaculaPlaces } from "./places.ts";
import { type Line, type Resource, syntax } from "./resource.ts";
import { cycleSchedule, testRestoreSchedule } from "./schedules.ts";

/**
 * Priorities after those of VMs, which end at 9999. Bacula starts a job only when no job of a better priority
 * waits or runs: what is scheduled with the cycle, but has a worse priority, runs after all of it.
 */
export const priorities = {
  testRestore: 10_000,
  catalog: 10_010,
  summary: 10_020,
} as const;

/** Boots a copy of the backup on this hypervisor whose last test is the longest ago, month by month. */
export function testRestoreJob(
  site: Site,
  { name: hypervisor }: SiteHypervisor,
  places: BaculaPlaces,
): Resource {
  const name = testRestoreJobName(hypervisor);
  const hours = syntax(`${site.cycle.maxRunHours} hours`);
  return job(name, [
    ["Description", `Test restore on ${hypervisor}`],
    ["Type", syntax("Backup")],
    ["Level", syntax("Full")],
    ["Client", clientName(hypervisor)],
    ["FileSet", name],
    ["Schedule", testRestoreSchedule],
    ["Pool", resourceNames.metadataPool],
    ["Messages", messageNames.standard],
    ["Priority", priorities.testRestore],
    ...mixedPriority(site),
    ["Max Start Delay", hours],
    ["Max Run Time", hours],
    onClient([places.hypervisor.launcher, "test-restore"]),
    failureHook(places),
  ]);
}

/**
 * Dumps the catalog onto the share, and stores the dump in volumes. No container has a File Daemon, so that of
 * the first hypervisor reads the dump.
 */
export function catalogJob(first: SiteHypervisor, places: BaculaPlaces): Resource {
  const { catalog, dumps, secrets } = places;
  return job(resourceNames.catalogJob, [
    ["Description", "Dump of the catalog, after each cycle"],
    ["Type", syntax("Backup")],
    ["Level", syntax("Full")],
    ["Client", clientName(first.name)],
    ["FileSet", resourceNames.catalogJob],
    ["Schedule", cycleSchedule],
    ["Pool", resourceNames.catalogPool],
    ["Messages", messageNames.standard],
    ["Priority", priorities.catalog],
    ["Max Run Time", syntax("6 hours")],
    // What bextract or a new Director needs to find the dump in the volumes.
    ["Write Bootstrap", `${dumps.director}/catalog.bsr`],
    onDirector(
      "dump-catalog.sh",
      [
        ...[dumps.director, catalog.host, String(catalog.port)],
        `${secrets}/vmb-catalog-password`,
      ],
      places,
      4 * 3600,
    ),
    failureHook(places),
  ]);
}

/** Lists the jobs of the week in its own log, which is mailed: a job of the Director alone. */
export function summaryJob(first: SiteHypervisor, places: BaculaPlaces): Resource {
  return job(resourceNames.summaryJob, [
    ["Description", "The jobs of the week, after each cycle"],
    ["Type", syntax("Admin")],
    ["Client", clientName(first.name)],
    ["FileSet", resourceNames.noFiles],
    ["Schedule", cycleSchedule],
    ["Pool", resourceNames.metadataPool],
    ["Messages", messageNames.summary],
    ["Priority", priorities.summary],
    ["Max Run Time", syntax("1 hour")],
    onDirector("week-summary.sh", [`${places.config}/monitor.conf`], places, 300),
  ]);
}

function job(name: string, lines: readonly Line[]): Resource {
  return {
    kind: "Job",
    lines: [
      ["Name", name],
      ...lines,
      ["Storage", resourceNames.storage],
      ["Max Wait Time", maxWait],
      ["Allow Duplicate Jobs", false],
      ["Cancel Queued Duplicates", true],
    ],
  };
}
