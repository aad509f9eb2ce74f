import dumpCatalog from "../../templates/bacula/dump-catalog.sh" with { type: "text" };
import jobFailed from "../../templates/bacula/job-failed.sh" with { type: "text" };
import weekSummary from "../../templates/bacula/week-summary.sh" with { type: "text" };
import type { Site } from "../config/site.ts";
import type { VmEntry } from "../config/vm_list.ts";
import { type RenderedTree, renderedTree } from "../render/tree.ts";
import { consoleConfig } from "./consoles.ts";
import { directorResources } from "./director.ts";
import { fileDaemonResources } from "./file_daemon.ts";
import { type BaculaPlaces, sitePlaces } from "./places.ts";
import { printResources } from "./resource.ts";
import { storageDaemonResources } from "./storage_daemon.ts";

/**
 * Renders all configurations of Bacula: below `bacula/` those of the control VM, in `fd/<hypervisor>/` those of
 * the hypervisors. Made for Bacula 15.0.2 and later.
 *
 * @param vms as `loadInventory` gives them: on hypervisors of the site, with distinct names
 */
export function renderBacula(
  site: Site,
  vms: readonly VmEntry[],
  places: BaculaPlaces = sitePlaces(site),
): RenderedTree {
  return renderedTree({
    "bacula/bacula-dir.conf": printResources(directorResources(site, vms, places)),
    "bacula/bacula-sd.conf": printResources(storageDaemonResources(site, places)),
    "bacula/bconsole.conf": printResources(consoleConfig("admin", places)),
    "bacula/monitor.conf": printResources(consoleConfig("monitor", places)),
    "bacula/hooks/dump-catalog.sh": dumpCatalog,
    "bacula/hooks/job-failed.sh": jobFailed,
    "bacula/hooks/week-summary.sh": weekSummary,
    ...Object.fromEntries(site.hypervisors.map((hypervisor) => [
      `fd/${hypervisor.name}/bacula-fd.conf`,
      printResources(fileDaemonResources(site, hypervisor, places)),
    ])),
  });
}
