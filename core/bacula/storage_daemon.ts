import type { Site } from "../config/site.ts";
import { daemonMessages } from "./messages.ts";
import { resourceNames } from "./names.ts";
import type { BaculaPlaces } from "./places.ts";
import { type Resource, syntax } from "./resource.ts";
import { secretFiles } from "./secret_files.ts";

/** All resources of the Storage Daemon: its volumes are files of one folder. */
export function storageDaemonResources(site: Site, places: BaculaPlaces): readonly Resource[] {
  return [
    {
      kind: "Storage",
      lines: [
        ["Name", resourceNames.storageDaemon],
        ["SD Port", places.storagePort],
        ["Working Directory", places.work],
        ["Pid Directory", places.run],
        ["Maximum Concurrent Jobs", 20 + site.concurrency],
        ["Heartbeat Interval", syntax("1 minute")],
      ],
    },
    {
      kind: "Director",
      lines: [
        ["Name", resourceNames.director],
        { include: `${places.secrets}/${secretFiles.storage.name}` },
        ["TLS Require", true],
      ],
    },
    {
      kind: "Device",
      lines: [
        ["Name", resourceNames.device],
        ["Device Type", syntax("File")],
        ["Media Type", resourceNames.mediaType],
        ["Archive Device", places.archive],
        ["Label Media", true],
        ["Random Access", true],
        ["Automatic Mount", true],
        ["Removable Media", false],
        ["Always Open", false],
        ["Maximum Concurrent Jobs", 10 + site.concurrency],
      ],
    },
    daemonMessages("all"),
  ];
}
