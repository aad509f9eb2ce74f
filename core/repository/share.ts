import { exitCodes, toVmbError, VmbError } from "../error.ts";
import type { Report } from "../event.ts";
import { withDeadline } from "../sys/deadline.ts";
import { commandFailed } from "../sys/process.ts";
import { isOutcomeUnknown } from "../sys/deadline.ts";
import { shareFiles } from "../sys/share_files.ts";
import type { System } from "../sys/system.ts";
import { metadataFolder } from "./layout.ts";
import { type Mount, mountOf, type Standing, standingOf } from "./mount.ts";
import { assertShare } from "./share_marker.ts";

export interface ShareSettings {
  readonly backupRoot: string;
  readonly backupFstypes: readonly string[];
  readonly shareTimeoutSeconds: number;
  /** Whether the backup root may be a folder of this machine's own disk. */
  readonly backupLocal?: boolean | undefined;
  /** Id of the one share that is meant. */
  readonly backupShareId?: string | undefined;
}

/** The mount of the share. */
export interface ShareMount extends Mount {
  /** It is no mount of its own: what is backed up there is lost with this machine. */
  readonly isLocal: boolean;
}

/**
 * The mount that the backup root lies on, and it is the right one. A share that is not mounted looks like an empty
 * folder of the disk below it, and that may well have a type that shares have: so it must be a mount of its own,
 * and where the configuration names a share, say that it is this one.
 *
 * @param report is told of a backup root on this machine's own disk
 * @throws {VmbError} `share.not-mounted`, `share.other`, `share.no-answer`
 */
export async function shareMount(
  system: Pick<System, "files" | "processes">,
  settings: ShareSettings,
  report: Report = () => {},
): Promise<ShareMount> {
  const { backupRoot, backupShareId } = settings;
  const { standing, ...mount } = await locateShare(system, settings);
  // Of a folder in somebody else's mount only the marker tells that it is the share.
  const isLocal = standing === "root" || (standing === "folder" && backupShareId === undefined);
  if (isLocal && !settings.backupLocal) {
    throw notMounted(
      backupRoot,
      `is a folder of another mount (${described(mount)}), and its type alone makes it no share`,
      "Mount the share there itself; or make the folder known as one: vmb hv init-share",
    );
  }
  if (backupShareId !== undefined) await assertShare(system, settings, backupShareId);
  if (isLocal) report({ kind: "info", text: localNotice(backupRoot, mount) });
  return { ...mount, isLocal };
}

/**
 * Finds the mount that the backup root lies on, of an accepted type; which share it is, is not asked.
 *
 * @throws {VmbError} `share.not-mounted`, also for the root disk without `BACKUP_LOCAL`; `share.no-answer`
 */
export async function locateShare(
  system: Pick<System, "files" | "processes">,
  settings: ShareSettings,
): Promise<Mount & { readonly standing: Standing }> {
  const { backupRoot, backupFstypes } = settings;
  let { mount, standing } = await placeOf(system, settings);
  if (mount?.type === "autofs") {
    // An automount mounts when someone looks inside.
    const timeoutMs = settings.shareTimeoutSeconds * 1000;
    const argv = ["stat", `${backupRoot}/.`] as const;
    await onShare(settings, () => system.processes.run(argv, { timeoutMs }));
    ({ mount, standing } = await placeOf(system, settings));
  }
  if (mount === undefined || !backupFstypes.includes(mount.type)) {
    throw notMounted(
      backupRoot,
      `is on ${mount?.type ?? "no file system"} mounted at ${
        mount?.point ?? "/"
      }, not on a mount of type ${backupFstypes.join(" or ")}`,
      `Run: mount ${backupRoot}; BACKUP_FSTYPES in vm-backup.conf lists the types that are accepted`,
    );
  }
  if (standing === "root" && !settings.backupLocal) {
    throw notMounted(
      backupRoot,
      `is a folder of this machine's own disk (${described(mount)}): the share is not mounted`,
      `Run: mount ${backupRoot}; who wants the backups on this disk sets BACKUP_LOCAL=yes in vm-backup.conf`,
    );
  }
  return { ...mount, standing };
}

function notMounted(backupRoot: string, what: string, hint: string): VmbError {
  return new VmbError(`Backup root "${backupRoot}" ${what}`, {
    code: "share.not-mounted",
    exit: exitCodes.problems,
    hint,
  });
}

/** What somebody who keeps backups on the machine itself is told at each run. */
export function localNotice(
  backupRoot: string,
  mount: Pick<Mount, "source" | "type" | "point">,
): string {
  return `"${backupRoot}" is a folder of this machine (${
    described(mount)
  }), as BACKUP_LOCAL allows: ` +
    "what is backed up there is lost with the machine";
}

function described({ source, type, point }: Pick<Mount, "source" | "type" | "point">): string {
  return `${source}, ${type}, mounted at ${point}`;
}

/** Symlinks are followed, for a mount is known by the path without them. */
async function placeOf(
  { files }: Pick<System, "files">,
  settings: ShareSettings,
): Promise<{ readonly mount: Mount | undefined; readonly standing: Standing }> {
  const { backupRoot, shareTimeoutSeconds } = settings;
  const mountinfo = await files.readText("/proc/self/mountinfo");
  const at = (path: string) => ({
    mount: mountOf(path, mountinfo),
    standing: standingOf(path, mountinfo),
  });
  const direct = at(backupRoot);
  // A mount point has no symlinks in its path, and asking a dead server would take all the time there is.
  if (direct.mount?.point === backupRoot || direct.mount?.type === "autofs") return direct;
  const work = files.realPath(backupRoot).catch(() => backupRoot);
  const path = await withDeadline("Look-up", shareTimeoutSeconds * 1000, work).catch(() => {
    throw noAnswer(settings);
  });
  return at(path);
}

/**
 * Free space of the share in bytes. Asked by a child process with a deadline, because a call on a hung hard
 * mount never returns.
 *
 * @throws {VmbError} `share.no-answer`
 */
export async function shareFreeBytes(
  { processes }: Pick<System, "processes">,
  settings: ShareSettings,
): Promise<number> {
  const done = await onShare(
    settings,
    () =>
      processes.run(["stat", "--file-system", "--format=%a %S", settings.backupRoot], {
        timeoutMs: settings.shareTimeoutSeconds * 1000,
      }),
  );
  if (done.code !== 0) throw commandFailed(done);
  const [blocks, blockSize] = done.stdout.trim().split(" ").map(Number);
  return (blocks ?? 0) * (blockSize ?? 0);
}

/**
 * Writes a byte to the share, makes it durable, and takes it away again.
 *
 * @throws {VmbError} `share.no-answer`, or `share.not-writable` with the server's reason
 */
export async function probeShareWrite(
  { files, host }: Pick<System, "files" | "host">,
  settings: ShareSettings,
): Promise<void> {
  const { backupRoot, shareTimeoutSeconds } = settings;
  const share = shareFiles(files, backupRoot, shareTimeoutSeconds * 1000);
  const folder = metadataFolder(backupRoot);
  const probe = `${folder}/.probe-${host.name()}-${host.pid}`;
  try {
    await share.makeFolder(folder);
    await share.write(probe, new Uint8Array(1));
    await share.remove(probe);
  } catch (thrown) {
    const error = toVmbError(thrown);
    if (error.code === "deadline" || isOutcomeUnknown(error)) throw noAnswer(settings);
    // What is no word of the system has its own hint.
    if (!error.code.startsWith("system.")) throw error;
    const words = error.message.replace(/ \(os error \d+\).*$/s, "");
    throw new VmbError(`Backup root "${backupRoot}" cannot be written: ${words}`, {
      code: "share.not-writable",
      exit: exitCodes.problems,
      hint: "Look at the mount options (rw), the export (no_root_squash) and the free space",
    });
  }
}

function noAnswer({ backupRoot, shareTimeoutSeconds }: ShareSettings): VmbError {
  return new VmbError(
    `Backup root "${backupRoot}" gave no answer within ${shareTimeoutSeconds} s`,
    {
      code: "share.no-answer",
      exit: exitCodes.problems,
      hint: "The NFS server is down or unreachable: look at it, then at dmesg on this machine",
    },
  );
}

async function onShare<T>(settings: ShareSettings, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof VmbError) || error.code !== "process.timeout") throw error;
    throw noAnswer(settings);
  }
}
