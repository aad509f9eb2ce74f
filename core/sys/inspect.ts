import { statfs } from "node:fs";
import { VmbError } from "../error.ts";
import { type Below, withEntry, withFolder } from "./below.ts";

export interface FileInfo {
  readonly kind: "file" | "directory" | "block" | "symlink" | "socket" | "other";
  /** Bytes; 0 for a block device. */
  readonly size: number;
  /** Bytes that the file occupies; less than `size` for a sparse file. */
  readonly allocated: number;
  /** Milliseconds since 1970, by the file server's clock: never compare it with ours. */
  readonly modified: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly device: number;
  /** Names the file within its device, whatever its path. */
  readonly inode: number;
}

/** What a name stands for, a final link itself: see `Files.inspect`. */
export function inspect(path: string, options: Below = {}): Promise<FileInfo | undefined> {
  return absentAsUndefined(withEntry(path, options, ({ entry }) => Deno.lstat(entry)));
}

/** What a name leads to; below a root it leads nowhere else. */
export function inspectTarget(path: string, options: Below = {}): Promise<FileInfo | undefined> {
  if (options.below !== undefined) return inspect(path, options);
  return absentAsUndefined(Deno.stat(path));
}

/** A folder that never ends must not fill our memory. */
const mostNames = 200_000;

/** Names in a folder: see `Files.list`. */
export async function list(path: string, { below }: Below = {}): Promise<readonly string[]> {
  const names: string[] = [];
  try {
    await withFolder(path, { below }, async (folder) => {
      for await (const entry of Deno.readDir(folder)) {
        names.push(entry.name);
        if (names.length > mostNames) {
          throw new VmbError(`"${path}" holds more than ${mostNames} files`, {
            code: "files.too-many",
          });
        }
      }
    });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return names.sort();
}

/** Space of a file system: see `Files.space`. */
export function space(
  path: string,
  options: Below = {},
): Promise<{ readonly free: number; readonly total: number }> {
  return withFolder(path, options, (at) =>
    new Promise((resolve, reject) => {
      statfs(at, (error, stats) => {
        if (error) return reject(error);
        resolve({ free: stats.bavail * stats.bsize, total: stats.blocks * stats.bsize });
      });
    }));
}

async function absentAsUndefined(pending: Promise<Deno.FileInfo>): Promise<FileInfo | undefined> {
  let info: Deno.FileInfo;
  try {
    info = await pending;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return undefined;
    }
    throw error;
  }
  return {
    kind: info.isFile
      ? "file"
      : info.isDirectory
      ? "directory"
      : info.isBlockDevice
      ? "block"
      : info.isSymlink
      ? "symlink"
      : info.isSocket
      ? "socket"
      : "other",
    size: info.size,
    allocated: (info.blocks ?? 0) * 512,
    modified: info.mtime?.getTime() ?? 0,
    mode: (info.mode ?? 0) & 0o7777,
    uid: info.uid ?? 0,
    gid: info.gid ?? 0,
    device: info.dev,
    inode: info.ino ?? 0,
  };
}
