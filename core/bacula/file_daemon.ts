import type { Site, SiteHypervisor } from "../config/site.ts";
import { daemonMessages } from "./messages.ts";
import { clientName, resourceNames } from "./names.ts";
import type { BaculaPlaces } from "./places.ts";
import { type Line, type Resource, syntax } from "./resource.ts";
import { secretFiles } from "./secret_files.ts";

/**
 * All resources of the File Daemon of a hypervisor, for Bacula 15.0.2 and later. The Director may start scripts
 * of one folder only, and reads and writes nothing but what jobs of vmb need: a stolen Director is no root
 * shell on the hypervisors.
 */
export function fileDaemonResources(
  site: Site,
  hypervisor: SiteHypervisor,
  places: BaculaPlaces,
): readonly Resource[] {
  const { secrets, work, run, vmb, restored } = places.hypervisor;
  const readable = [
    `${site.nfs.mount}/${hypervisor.name}`,
    // Any of them may be the one that reads the dump: the first of the list changes.
    places.dumps.hypervisor,
  ];
  return [
    {
      kind: "FileDaemon",
      lines: [
        ["Name", clientName(hypervisor.name)],
        ["FD Port", hypervisor.fdPort],
        ["Working Directory", work],
        ["Pid Directory", run],
        ["Maximum Concurrent Jobs", 10],
        ["Heartbeat Interval", syntax("1 minute")],
      ],
    },
    {
      kind: "Director",
      lines: [
        ["Name", resourceNames.director],
        { include: `${secrets}/${secretFiles.fileDaemon.name}` },
        ["TLS Require", true],
        ["Allowed Script Directories", vmb.slice(0, vmb.lastIndexOf("/"))],
        ...readable.map((folder): Line => ["Allowed Backup Directories", folder]),
        ["Allowed Restore Directories", restored],
      ],
    },
    daemonMessages("all, !skipped, !restored"),
  ];
}
