import { exitCodes, VmbError } from "../error.ts";
import type { System } from "../sys/system.ts";
import {
  assertShare,
  readShareMarker,
  type ShareMarker,
  writeShareMarker,
} from "./share_marker.ts";
import { locateShare, type ShareSettings } from "./share.ts";

export interface InitializedShare extends ShareMarker {
  /** Whether the marker was made now. */
  readonly isNew: boolean;
}

/**
 * Gives a share its marker, once: a random id, by which it is told from any other one. One that has a marker keeps
 * it. An id that the configuration names already is the one that is given: so a share that takes the place of
 * another one becomes known to all hypervisors at once.
 *
 * @param site name of the site, for people who find the share
 * @throws {VmbError} `share.not-mounted`; `share.other` for a share that has another id than the configured one;
 *   `share.not-writable`
 */
export async function initShare(
  system: Pick<System, "files" | "processes" | "host">,
  settings: ShareSettings,
  site: string,
): Promise<InitializedShare> {
  const { readonly, point } = await locateShare(system, settings);
  const { backupShareId } = settings;
  const before = await readShareMarker(system, settings);
  if (before !== undefined) {
    if (backupShareId !== undefined) await assertShare(system, settings, backupShareId);
    return { ...before, isNew: false };
  }
  if (readonly) {
    throw new VmbError(`Backup root "${settings.backupRoot}" is mounted read-only`, {
      code: "share.not-writable",
      exit: exitCodes.problems,
      hint: `Run: mount -o remount,rw ${point}`,
    });
  }
  const id = backupShareId ?? crypto.randomUUID().replaceAll("-", "");
  await writeShareMarker(system, settings, { id, site });
  // Another hypervisor may have made one in the same moment: what is there now counts.
  const marker = await readShareMarker(system, settings) ?? { id, site };
  return { ...marker, isNew: marker.id === id };
}
