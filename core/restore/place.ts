import type { Journal } from "../journal/journal.ts";
import { VmbError } from "../error.ts";
import type { System } from "../sys/system.ts";

/** A file or folder that is being restored has this name until it is whole. */
export function restoringPath(path: string): string {
  return `${path}.vmb-restoring`;
}

/** Notes that a half-written file will lie at `restoringPath`, and returns that. */
export async function beginFile(journal: Journal, path: string): Promise<string> {
  const half = restoringPath(path);
  await journal.write({ step: "restore-file", path: half, inode: null });
  return half;
}

/** Moves what belongs to a replaced VM out of the way. */
export async function setAside(
  { files }: Pick<System, "files">,
  journal: Journal,
  { from, to }: { readonly from: string; readonly to: string },
): Promise<void> {
  await journal.write({ step: "set-aside", from, to });
  await files.rename(from, to);
  await files.syncFolder(folderOf(from));
}

/**
 * Gives a whole file its name, and the label that SELinux wants there.
 *
 * @throws {VmbError} `restore.exists` when something came to lie there meanwhile, `restore.gone` when the file went
 */
export async function placeFile(
  { files, processes }: Pick<System, "files" | "processes">,
  journal: Journal,
  path: string,
): Promise<void> {
  const half = restoringPath(path);
  if (await files.inspect(path) !== undefined) {
    throw new VmbError(`"${path}" came to be while it was restored: nothing is written over it`, {
      code: "restore.exists",
    });
  }
  const whole = await files.inspect(half);
  if (whole === undefined) {
    throw new VmbError(`"${half}" is gone: someone removed it`, { code: "restore.gone" });
  }
  await journal.write({ step: "restore-file", path, inode: whole.inode });
  await files.rename(half, path);
  await files.syncFolder(folderOf(path));
  if (await files.inspect("/sys/fs/selinux/enforce") === undefined) return;
  await processes.run(["restorecon", "-R", path]);
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}
