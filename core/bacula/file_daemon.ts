import type { Site, SiteHypervisor } from "../config/site.ts";
import { daemonMessages } from "./messages.ts";
import { clientName, resourceNames } from "./names.ts";
import type { BaculaPlaces } from "./places.ts";
import { type Line, type Resource, syntax } from "./resource.ts";
import { secretFiles } from "./secret_files.ts";

/**
 * What no job of vmb needs, and the Director could misuse. Restored files follow the links that were restored
 * before them, and a `..` leads out of `AllowedRestoreDirectories`: so nothing is restored at all. The others
 * write a trace, run a program for snapshots as root, or list folders.
 */
const disabledCommands = ["restore", "setdebug=", "snapshot", "verify", "estimate"];

/**
 * All resources of the File Daemon of a hypervisor, for Bacula 15.0.2 and later. Whoever has the Director may start
 * one program, which checks what it is told, and place no file: a stolen Director is no root shell on the
 * hypervisors.
 */
export function fileDaemonResources(
  site: Site,
  hypervisor: SiteHypervisor,
  places: BaculaPlaces,
): readonly Resource[] {
  const { secrets, work, run, launcher } = places.hypervisor;
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
        // The file itself, for Bacula 15.0.3 compares how a command begins: "<folder>/../sh" begins with a folder,
        // but behind a file no ".." leads anywhere. Its folder holds nothing else.
        ["Allowed Script Directories", launcher],
        ...readable.map((folder): Line => ["Allowed Backup Directories", folder]),
        ...disabledCommands.map((command): Line => ["Disable Command", command]),
      ],
    },
    daemonMessages("all, !skipped, !restored"),
  ];
}
