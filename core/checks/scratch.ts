import type { Settings } from "../config/settings.ts";
import { formatBytes } from "../format/bytes.ts";
import { mountOf } from "../repository/mount.ts";
import type { MethodChoice } from "../survey/choose_method.ts";
import type { Survey } from "../survey/survey.ts";
import type { System } from "../sys/system.ts";
import { type CheckVerdict, failed, passed } from "./check.ts";

/** What the checks of the local folders look at. */
export interface ScratchContext {
  readonly system: Pick<System, "files" | "processes" | "host">;
  readonly settings: Settings;
  readonly survey: Survey;
  readonly choice: MethodChoice;
}

/** Part of the VM's data that the guest is expected to overwrite at most during a copy. */
const scratchShare = 0.1;

/** Types of file systems that are not of this machine. */
const remoteTypes = /^(nfs|nfs4|cifs|smb3|ceph|glusterfs|9p|fuse\..*|afs|lustre)$/;

/** SCRATCH_DIR takes what a running guest overwrites: it must be local, and QEMU must reach it. */
export async function scratchFolder(
  { settings, system, survey }: ScratchContext,
): Promise<CheckVerdict> {
  const { scratchDir } = settings;
  const folder = await nearestFolder(system, scratchDir);
  const mount = mountOf(
    await system.files.realPath(folder),
    await system.files.readText("/proc/self/mountinfo"),
  );
  if (mount !== undefined && remoteTypes.test(mount.type)) {
    return failed(
      `SCRATCH_DIR "${scratchDir}" is on ${mount.type}: the guest would wait for the network`,
      "Put it on a local disk",
    );
  }
  const { uid, gid } = survey.description.owner ?? { uid: 0, gid: 0 };
  for (let path = folder; path !== "/" && uid !== 0; path = parentOf(path)) {
    const info = await system.files.inspectTarget(path);
    const bit = info?.uid === uid ? 0o100 : info?.gid === gid ? 0o010 : 0o001;
    if (info && (info.mode & bit) === 0) {
      return failed(
        `QEMU (user ${uid}) cannot reach SCRATCH_DIR: "${path}" has the mode ${
          info.mode.toString(8)
        }`,
        `Run: chmod o+x ${path}`,
      );
    }
  }
  return passed(`"${scratchDir}" is local${uid === 0 ? "" : ", and QEMU can reach it"}`);
}

/** @param expectedBytes size of the backup, of which the guest may overwrite a part meanwhile */
export async function localSpace(
  { system, settings, choice }: ScratchContext,
  expectedBytes: number,
): Promise<CheckVerdict> {
  const { scratchDir, minFreeBytes } = settings;
  const { free } = await system.files.space(await nearestFolder(system, scratchDir));
  const offline = choice.kind === "chosen" && choice.method === "offline";
  const needed = minFreeBytes + (offline ? 0 : Math.ceil(expectedBytes * scratchShare));
  const detail = `${formatBytes(free)} free at "${scratchDir}", ${formatBytes(needed)} needed`;
  return free > needed ? passed(detail) : failed(
    detail,
    "What the guest overwrites during the copy is kept there; MIN_FREE_GB sets what must stay free",
  );
}

/** Where a folder is, or will be once it is made. */
async function nearestFolder({ files }: Pick<System, "files">, path: string): Promise<string> {
  let folder = path;
  while (folder !== "/" && await files.inspectTarget(folder) === undefined) {
    folder = parentOf(folder);
  }
  return folder;
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}
