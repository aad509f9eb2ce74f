import { exitCodes, VmbError } from "../error.ts";
import { commandFailed } from "../sys/process.ts";
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
  { processes, host }: Pick<System, "processes" | "host">,
  settings: ShareSettings,
): Promise<void> {
  const folder = metadataFolder(settings.backupRoot);
  const probe = `${folder}/.probe-${host.name()}-${host.pid}`;
  const timeoutMs = settings.shareTimeoutSeconds * 1000;
  const steps = [
    ["mkdir", "--parents", folder],
    ["dd", "if=/dev/zero", `of=${probe}`, "bs=1", "count=1", "conv=fsync", "status=none"],
    ["rm", "--force", probe],
  ] as const;
  for (const argv of steps) {
    const done = await onShare(settings, () => processes.run(argv, { timeoutMs }));
    if (done.code === 0) continue;
    // On a full share the probe's name is there, though not its byte.
    await processes.run(["rm", "--force", probe], { timeoutMs }).catch(() => {});
    throw new VmbError(
      `Backup root "${settings.backupRoot}" cannot be written: ${
        done.stderr.trim().split("\n").at(-1)
      }`,
      {
        code: "share.not-writable",
        exit: exitCodes.problems,
        hint: "Look at the mount options (rw), the export (no_root_squash) and the free space",
      },
    );
  }
}

async function onShare<T>(settings: ShareSettings, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof VmbError) || error.code !== "process.timeout") throw error;
    throw new VmbError(
      `Backup root "${settings.backupRoot}" gave no answer within ${settings.shareTimeoutSeconds} s`,
      {
        code: "share.no-answer",
        exit: exitCodes.problems,
        hint: "The NFS server is down or unreachable: look at it, then at dmesg on this machine",
      },
    );
  }
}
