import { isShareId } from "../config/setting_type.ts";
import { exitCodes, toVmbError, VmbError } from "../error.ts";
import { quoted } from "../format/quoted.ts";
import { shareFiles } from "../sys/share_files.ts";
import type { System } from "../sys/system.ts";
import { metadataFolder } from "./layout.ts";

/** What a share says of itself, in `metadata/share.json`: made once, and never changed. */
export interface ShareMarker {
  /** 32 hexadecimal digits. */
  readonly id: string;
  /** Name of the site, for people. */
  readonly site: string;
}

/** What the marker is read and made with. */
export interface MarkerSettings {
  readonly backupRoot: string;
  readonly shareTimeoutSeconds: number;
}

/** A marker has a hundred bytes; whoever writes more to the share gets nothing read. */
const largest = 4096;

export function markerPath(root: string): string {
  return `${metadataFolder(root)}/share.json`;
}

/**
 * Reads the marker of a share; `undefined` when there is none.
 *
 * @throws {VmbError} `share.marker` (exit 6) for one that is no marker: a link, a folder, too large, no JSON
 */
export async function readShareMarker(
  { files }: Pick<System, "files">,
  settings: MarkerSettings,
): Promise<ShareMarker | undefined> {
  const share = shareFiles(files, settings.backupRoot, settings.shareTimeoutSeconds * 1000);
  const path = markerPath(settings.backupRoot);
  let text: string;
  try {
    if (await share.inspect(path) === undefined) return undefined;
    text = await share.readText(path, { limit: largest });
  } catch (thrown) {
    const error = toVmbError(thrown);
    throw error.code.startsWith("files.") ? notAMarker(path, error.message) : error;
  }
  try {
    const { id, site } = JSON.parse(text) as { readonly id?: unknown; readonly site?: unknown };
    if (typeof id === "string" && isShareId(id) && typeof site === "string") return { id, site };
  } catch {
    // Said below.
  }
  throw notAMarker(path, "it does not say an id and a site");
}

/**
 * Makes sure that a share is the one that the configuration names: another export, or an empty new disk, may
 * be mounted in its place.
 *
 * @param expected the id in the configuration
 * @throws {VmbError} `share.other` (exit 6)
 */
export async function assertShare(
  system: Pick<System, "files">,
  settings: MarkerSettings,
  expected: string,
): Promise<void> {
  const { backupRoot } = settings;
  const marker = await readShareMarker(system, settings);
  if (marker?.id === expected) return;
  throw new VmbError(
    marker === undefined
      ? `What is mounted on "${backupRoot}" has no marker of a share: BACKUP_SHARE_ID names the share ${expected}`
      : `What is mounted on "${backupRoot}" is the share ${marker.id} of site ${
        quoted(marker.site, 60)
      }: BACKUP_SHARE_ID names ${expected}`,
    {
      code: "share.other",
      exit: exitCodes.problems,
      hint: marker === undefined
        ? "Mount the right share; if this is a new one that shall take its place: vmb hv init-share"
        : "Mount the right share, or correct BACKUP_SHARE_ID in vm-backup.conf",
    },
  );
}

/** Writes the marker of a share that has none. */
export async function writeShareMarker(
  { files }: Pick<System, "files">,
  settings: MarkerSettings,
  { id, site }: ShareMarker,
): Promise<void> {
  const share = shareFiles(files, settings.backupRoot, settings.shareTimeoutSeconds * 1000);
  await share.makeFolder(metadataFolder(settings.backupRoot));
  const text = `${JSON.stringify({ schemaVersion: 1, site, id }, null, 2)}\n`;
  await share.write(markerPath(settings.backupRoot), text, { mode: 0o644 });
}

function notAMarker(path: string, why: string): VmbError {
  return new VmbError(`The marker of the share, "${path}", cannot be used: ${why}`, {
    code: "share.marker",
    exit: exitCodes.problems,
    hint: "Somebody else wrote it: look at it, and when it is nothing of yours, move it away",
  });
}
