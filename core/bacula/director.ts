import type { Site, SiteHypervisor } from "../config/site.ts";
import type { VmEntry } from "../config/vm_list.ts";
import { directorConsoles } from "./consoles.ts";
import { noFileSet, proofFileSet, vmFileSet, wholeFolder } from "./file_sets.ts";
import { vmDefaults, vmJob } from "./jobs.ts";
import { directorMessages, messageNames } from "./messages.ts";
import { clientName, resourceNames } from "./names.ts";
import type { BaculaPlaces } from "./places.ts";
import { pools } from "./pools.ts";
import { type Resource, syntax } from "./resource.ts";
import { schedules } from "./schedules.ts";
import { secretFiles } from "./secret_files.ts";
import { catalogJob, summaryJob, testRestoreJob } from "./service_jobs.ts";

/** Jobs that a daemon may have at once, beyond those of VMs: it also counts consoles and status. */
const spareJobs = 10;

/** All resources of the Director. VMs come in the order of their priorities. */
export function directorResources(
  site: Site,
  vms: readonly VmEntry[],
  places: BaculaPlaces,
): readonly Resource[] {
  const [first] = site.hypervisors;
  if (first === undefined) throw new Error("A site has a hypervisor");
  const ordered = vms.toSorted((a, b) => a.priority - b.priority);
  return [
    director(site, places),
    catalog(places),
    ...directorMessages(site),
    storage(site, places),
    ...pools(site),
    ...schedules(site),
    ...site.hypervisors.map((hypervisor) => client(site, hypervisor, places)),
    noFileSet(),
    wholeFolder(resourceNames.catalogJob, places.dumps.hypervisor),
    ...site.hypervisors.map(({ name }) => proofFileSet(site, name)),
    ...ordered.map((vm) => vmFileSet(site, vm)),
    vmDefaults(site),
    // First: sessions of consoles take its messages.
    ...ordered.map((vm) => vmJob(site, vm, places)),
    ...site.hypervisors.map((hypervisor) => testRestoreJob(site, hypervisor, places)),
    catalogJob(first, places),
    summaryJob(first, places),
    ...directorConsoles(places),
  ];
}

function director(site: Site, places: BaculaPlaces): Resource {
  return {
    kind: "Director",
    lines: [
      ["Name", resourceNames.director],
      ["Description", site.name],
      { include: `${places.secrets}/${secretFiles.director.name}` },
      ["DirPort", places.director.port],
      ["Query File", "/etc/bacula/scripts/query.sql"],
      ["Working Directory", places.work],
      ["Pid Directory", places.run],
      ["Messages", messageNames.daemon],
      ["Maximum Concurrent Jobs", site.concurrency],
      ["FD Connect Timeout", syntax("3 minutes")],
      ["SD Connect Timeout", syntax("3 minutes")],
      ["Heartbeat Interval", syntax("1 minute")],
    ],
  };
}

function catalog(places: BaculaPlaces): Resource {
  return {
    kind: "Catalog",
    lines: [
      ["Name", resourceNames.catalog],
      ["DB Name", "bacula"],
      ["DB User", "bacula"],
      { include: `${places.secrets}/${secretFiles.catalog.name}` },
      ["DB Address", places.catalog.host],
      ["DB Port", places.catalog.port],
    ],
  };
}

/** File Daemons get this address too, so it is that of the control VM, and not a name of containers. */
function storage(site: Site, places: BaculaPlaces): Resource {
  return {
    kind: "Storage",
    lines: [
      ["Name", resourceNames.storage],
      ["Address", site.control.host],
      ["SD Port", site.ports.storage],
      { include: `${places.secrets}/${secretFiles.storage.name}` },
      ["Device", resourceNames.device],
      ["Media Type", resourceNames.mediaType],
      ["Maximum Concurrent Jobs", site.concurrency + spareJobs],
      ["TLS Require", true],
    ],
  };
}

function client(site: Site, hypervisor: SiteHypervisor, places: BaculaPlaces): Resource {
  const days = syntax(`${site.volumes.retentionDays.metadata} days`);
  return {
    kind: "Client",
    lines: [
      ["Name", clientName(hypervisor.name)],
      ["Description", hypervisor.name],
      ["Address", hypervisor.address],
      ["FD Port", hypervisor.fdPort],
      { include: `${places.secrets}/${secretFiles.fileDaemon.name}` },
      ["Catalog", resourceNames.catalog],
      ["File Retention", days],
      ["Job Retention", days],
      ["AutoPrune", true],
      ["Maximum Concurrent Jobs", 1],
      ["TLS Require", true],
    ],
  };
}
