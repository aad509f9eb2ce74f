import { VmbError } from "../error.ts";
import { blockMapName, imageName } from "../repository/layout.ts";
import type { ManifestDisk } from "../repository/manifest.ts";
import type { PartialBackup } from "../repository/partial.ts";
import { readBack } from "../repository/read_back.ts";
import type { BackupContext } from "./context.ts";
import type { NamedCopy } from "./copy_disks.ts";
import type { Survey } from "../survey/survey.ts";

/**
 * Reads the images back from the share, this machine's cache dropped, and compares them with what was sent;
 * notes them and their block maps as files of the backup.
 *
 * Without a read-back only an image whose first cluster was replaced is read, from the cache: its own
 * SHA-256 is not known yet.
 *
 * @returns SHA-256 of each image by disk target
 * @throws {VmbError} `backup.read-back` when the share does not give back what was sent
 */
export async function readBackImages(
  { system, request, entry, phases, report, signal }: BackupContext,
  partial: PartialBackup,
  copies: readonly NamedCopy[],
): Promise<ReadonlyMap<string, string>> {
  const digests = new Map<string, string>();
  phases.begin(
    request.readBack ? "read-back" : "digest",
    request.readBack ? "Reading back what was written" : "Completing checksums",
  );
  for (const copy of copies) {
    const name = imageName(entry.name, copy.target);
    const mapName = blockMapName(entry.name, copy.target);
    let sha256 = copy.streamSha256;
    if (request.readBack || copy.sentHeader) {
      const read = await readBack(system, `${partial.folder}/${name}`, {
        sentHeader: copy.sentHeader,
        dropCache: request.readBack,
        signal,
        onProgress: (done) =>
          report({ kind: "progress", target: copy.target, done, total: copy.fileSize }),
      });
      assertSame(name, { size: copy.fileSize, sha256: copy.streamSha256 }, {
        size: read.size,
        sha256: read.streamSha256,
      });
      sha256 = read.sha256;
    }
    if (request.readBack) {
      const map = await readBack(system, `${partial.folder}/${mapName}`, {
        dropCache: true,
        signal,
      });
      assertSame(mapName, { size: copy.blockMapSize, sha256: copy.blockMapSha256 }, map);
    }
    digests.set(copy.target, sha256);
    partial.note({ name, role: "disk", size: copy.fileSize, sha256 });
    partial.note({
      name: mapName,
      role: "blockmap",
      size: copy.blockMapSize,
      sha256: copy.blockMapSha256,
    });
  }
  return digests;
}

export function manifestDisks(
  { entry, settings }: Pick<BackupContext, "entry" | "settings">,
  survey: Survey,
  copies: readonly NamedCopy[],
  digests: ReadonlyMap<string, string>,
): ManifestDisk[] {
  return copies.flatMap((copy) => {
    const disk = survey.disks.chosen.find(({ target }) => target === copy.target);
    if (disk === undefined) return [];
    return [{
      target: copy.target,
      bus: disk.bus,
      sourceType: disk.type === "block" ? "block" as const : "file" as const,
      sourceFormat: disk.format,
      source: disk.source ?? "",
      virtualSize: copy.virtualSize,
      file: imageName(entry.name, copy.target),
      fileSize: copy.fileSize,
      sha256: digests.get(copy.target) ?? "",
      compression: settings.compression,
      readBytes: copy.readBytes,
      storedBytes: copy.storedBytes,
      blockMap: blockMapName(entry.name, copy.target),
      contentDigest: copy.blockMapSha256,
      seconds: copy.seconds,
    }];
  });
}

function assertSame(
  name: string,
  sent: { readonly size: number; readonly sha256: string },
  read: { readonly size: number; readonly sha256: string },
): void {
  if (sent.size === read.size && sent.sha256 === read.sha256) return;
  throw new VmbError(
    `Read-back of "${name}" failed: the share gave back ${read.size} bytes with SHA-256 ${read.sha256}, sent were ${sent.size} with ${sent.sha256}`,
    {
      code: "backup.read-back",
      hint: "The share or the way to it is faulty: look at the file server before all else",
    },
  );
}
