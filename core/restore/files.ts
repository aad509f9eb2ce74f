import { exitCodes, VmbError } from "../error.ts";
import { assertBackupImage } from "../image/backup_image.ts";
import { type StoredBackup, usable } from "../repository/backups.ts";
import type { Files } from "../sys/files.ts";
import type { Argv, Completed, RunOptions } from "../sys/process.ts";
import type { System } from "../sys/system.ts";

/** What someone wants of a file or a folder in a backup. */
export type FileWish =
  | { readonly kind: "ls" | "cat"; readonly path: string }
  /** `target` is a folder of this machine. */
  | { readonly kind: "get"; readonly path: string; readonly target: string };

/** libguestfs boots a small appliance for it, which takes a while without KVM. */
const patienceMs = 30 * 60_000;

/**
 * Looks into the file systems of a backup with guestfish(1): they are mounted by the kernel of a small
 * appliance, never by this host, because whoever owned the guest owned its file systems too. The images
 * are opened read-only, with the whole of their chain.
 *
 * @param fileSystem device that holds the path, as libguestfs names it (`/dev/sdb`); `undefined` mounts what
 *   the guest's own system mounts
 * @param share reads the backup's files
 * @param onBytes gets what `cat` prints, as it comes: a file of a guest is no text, and may be of any size
 * @returns what `ls` prints; nothing for the others
 * @throws {VmbError} `files.no-guestfish` (exit 5); `files.no-system` that lists the file systems;
 *   `files.not-found` (exit 10)
 */
export async function readBackupFile(
  system: Pick<System, "processes" | "files">,
  backup: StoredBackup,
  wish: FileWish,
  options: {
    readonly share: Pick<Files, "readStart">;
    readonly fileSystem: string | undefined;
    readonly signal: AbortSignal;
    readonly onBytes: (bytes: Uint8Array) => void;
  },
): Promise<string> {
  const { manifest, folder } = usable(backup, "restore");
  if (!wish.path.startsWith("/")) {
    throw new VmbError(`Path "${wish.path}" is not absolute: expected one that begins with "/"`, {
      code: "usage.path",
      exit: exitCodes.usage,
    });
  }
  if (wish.kind === "get") await assertFolder(system, wish.target);
  for (const { file, virtualSize } of manifest.disks) {
    await assertBackupImage(options.share, { path: `${folder}/${file}`, virtualSize });
  }
  const drives = manifest.disks.flatMap(({ file }) => ["--add", `${folder}/${file}`]);
  const open = ["--ro", "--format=qcow2", ...drives];
  const mount = options.fileSystem === undefined
    ? ["--inspector"]
    : ["--mount", `${options.fileSystem}:/`];
  const done = await guestfish(system, [...open, ...mount, ...commandOf(wish)], {
    signal: options.signal,
    ...(wish.kind === "cat" ? { onStdout: options.onBytes } : {}),
  });
  if (done.code === 0) return wish.kind === "ls" ? done.stdout : "";
  const words = done.stderr.trim().split("\n").at(-1)?.replace(/^libguestfs: error: /, "") ?? "";
  if (options.fileSystem === undefined && /no operating system was found/.test(done.stderr)) {
    throw new VmbError(
      `No operating system is on the disks of this backup of "${manifest.vm.name}"`,
      {
        code: "files.no-system",
        hint: `Name one of its file systems with --filesystem: ${await fileSystems(
          system,
          open,
          options.signal,
        )}`,
      },
    );
  }
  if (/No such file or directory/.test(words)) {
    throw new VmbError(`No "${wish.path}" in this backup of "${manifest.vm.name}"`, {
      code: "files.not-found",
      exit: exitCodes.notFound,
      hint: "Look at the folder above it with: vmb hv files ... ls",
    });
  }
  throw new VmbError(`Read of "${wish.path}" failed: ${words}`, { code: "files.failed" });
}

function commandOf(wish: FileWish): readonly string[] {
  switch (wish.kind) {
    case "ls":
      return ["ll", wish.path];
    case "cat":
      // Its own "cat" ends at the first zero byte, and at a few megabytes.
      return ["download", wish.path, "/dev/stdout"];
    case "get":
      return ["copy-out", wish.path, wish.target];
  }
}

async function fileSystems(
  system: Pick<System, "processes">,
  open: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  const done = await guestfish(system, [...open, "run", ":", "list-filesystems"], { signal });
  return done.stdout.trim().replaceAll("\n", ", ") || "none was found";
}

async function guestfish(
  { processes }: Pick<System, "processes">,
  args: readonly string[],
  options: Pick<RunOptions, "signal" | "onStdout">,
): Promise<Completed> {
  const argv: Argv = ["guestfish", ...args];
  try {
    return await processes.run(argv, {
      // Without libvirt in between: a domain of its own would only confuse whoever lists them.
      env: { LIBGUESTFS_BACKEND: "direct" },
      timeoutMs: patienceMs,
      ...options,
    });
  } catch (error) {
    if (!(error instanceof VmbError) || error.code !== "process.missing") throw error;
    throw new VmbError("Files in a backup are read by guestfish, which is not installed", {
      code: "files.no-guestfish",
      exit: exitCodes.missing,
      hint:
        "Install guestfs-tools (RHEL) or libguestfs-tools (Debian); or boot a copy of it: vmb hv test-restore --keep",
    });
  }
}

async function assertFolder({ files }: Pick<System, "files">, path: string): Promise<void> {
  if ((await files.inspectTarget(path))?.kind === "directory") return;
  throw new VmbError(`Folder "${path}" for the files is missing`, {
    code: "files.no-folder",
    hint: "Make it, or name another one",
  });
}
