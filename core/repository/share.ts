import { exitCodes, toVmbError, VmbError } from "../error.ts";
import { commandFailed } from "../sys/process.ts";
import { isOutcomeUnknown } from "../sys/deadline.ts";
import { shareFiles } from "../sys/share_files.ts";
import type { System } from "../sys/system.ts";
import { metadataFolder } from "./layout.ts";
import { type Mount, mountOf } from "./mount.ts";

export interface ShareSettings {
  readonly backupRoot: string;
  readonly backupFstypes: readonly string[];
  readonly shareTimeoutSeconds: number;
}

/**
 * The mount that the backup root lies on. A share that is not mounted looks like an empty folder of the
 * root disk, so the type of the file system decides.
 *
 * @throws {VmbError} `share.not-mounted`
 */
export async function shareMount(
  { files, processes }: Pick<System, "files" | "processes">,
  settings: ShareSettings,
): Promise<Mount> {
  const { backupRoot, backupFstypes } = settings;
  const look = async () => mountOf(backupRoot, await files.readText("/proc/self/mountinfo"));
  let mount = await look();
  if (mount?.type === "autofs") {
    // An automount mounts when someone looks inside.
    const timeoutMs = settings.shareTimeoutSeconds * 1000;
    await onShare(settings, () => processes.run(["stat", `${backupRoot}/.`], { timeoutMs }));
    mount = await look();
  }
  if (mount !== undefined && backupFstypes.includes(mount.type)) return mount;
  throw new VmbError(
    `Backup root "${backupRoot}" is on ${mount?.type ?? "no file system"} mounted at ${
      mount?.point ?? "/"
    }, not on a mount of type ${backupFstypes.join(" or ")}`,
    {
      code: "share.not-mounted",
      exit: exitCodes.problems,
      hint:
        `Run: mount ${backupRoot}; BACKUP_FSTYPES in vm-backup.conf lists the types that are accepted`,
    },
  );
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
