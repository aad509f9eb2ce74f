import { constants, statfs } from "node:fs";
import { VmbError } from "../error.ts";
import { makeLink, syncFile, write } from "./replacement.ts";

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

/** A file whose lock is held until `release`, or until the process dies. */
export interface FileLock {
  /** Replaces what the lock file says of its holder. */
  write(text: string): Promise<void>;
  release(): Promise<void>;
}

/** A file that grows by whole lines, each durable when `append` resolves. */
export interface LineFile {
  append(line: string): Promise<void>;
  close(): Promise<void>;
}

/** The door to files and folders. */
export interface Files {
  readText(path: string): Promise<string>;
  read(path: string): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * Replaces a file durably: temporary file in the same folder, write, fsync, rename, fsync of the folder.
   * Whoever reads the path sees the old content or the new one.
   */
  write(
    path: string,
    content: string | Uint8Array,
    options?: { readonly mode?: number },
  ): Promise<void>;
  /** Opens a file for appending; one that is missing is made with mode 0600. */
  appendTo(path: string): Promise<LineFile>;
  /** Copies a file durably, keeping its holes out of the question: small files only. */
  copy(from: string, to: string, options?: { readonly mode?: number }): Promise<void>;
  /** Makes a folder and its parents; one that is there is left as it is. */
  makeFolder(path: string, options?: { readonly mode?: number }): Promise<void>;
  /** Names in a folder, sorted by code unit; empty when there is no such folder. */
  list(path: string): Promise<readonly string[]>;
  /** `undefined` when there is no such file; does not follow a final symlink. */
  inspect(path: string): Promise<FileInfo | undefined>;
  /** Like `inspect`, but follows symlinks. */
  inspectTarget(path: string): Promise<FileInfo | undefined>;
  /** Removes a file or a whole folder; one that is missing is no error. */
  remove(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Makes names that were added, renamed or removed in a folder durable. */
  syncFolder(path: string): Promise<void>;
  syncFile(path: string): Promise<void>;
  own(path: string, uid: number, gid: number): Promise<void>;
  setMode(path: string, mode: number): Promise<void>;
  /** Makes a symlink durably; one that is there, or a file, is replaced in one step. */
  makeLink(path: string, target: string): Promise<void>;
  readLink(path: string): Promise<string>;
  /** Space of the file system that holds `path`, in bytes, as an unprivileged writer sees it. */
  space(path: string): Promise<{ readonly free: number; readonly total: number }>;
  /** Takes the flock(2) of a file, made when missing; `undefined` when another process holds it. */
  lock(path: string): Promise<FileLock | undefined>;
  realPath(path: string): Promise<string>;
}

export const systemFiles: Files = {
  readText: (path) => Deno.readTextFile(path),
  read: (path) => Deno.readFile(path),
  write,
  appendTo,
  async copy(from, to, options) {
    await write(to, await Deno.readFile(from), options);
  },
  makeFolder,
  list,
  inspect: (path) => absentAsUndefined(Deno.lstat(path)),
  inspectTarget: (path) => absentAsUndefined(Deno.stat(path)),
  async remove(path) {
    try {
      await Deno.remove(path, { recursive: true });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  },
  rename: (from, to) => Deno.rename(from, to),
  syncFolder: syncFile,
  syncFile,
  own: (path, uid, gid) => Deno.chown(path, uid, gid),
  setMode: (path, mode) => Deno.chmod(path, mode),
  makeLink,
  readLink: (path) => Deno.readLink(path),
  space,
  lock,
  realPath: (path) => Deno.realPath(path),
};

/** A file written at given offsets by a thread that may block: the hot path of a copy. */
export interface Sink {
  /** Writes all of `bytes` at `offset`, in bytes from the start of the file. */
  writeAt(bytes: Uint8Array, offset: number): void;
  truncate(size: number): void;
  sync(): void;
  close(): void;
}

/** Creates a file that must not exist yet. */
export async function createSink(path: string): Promise<Sink> {
  const fs = await import("node:fs");
  const { O_CREAT, O_EXCL, O_WRONLY } = constants;
  const file = fs.openSync(path, O_CREAT | O_EXCL | O_WRONLY, 0o600);
  return {
    writeAt(bytes, offset) {
      for (let done = 0; done < bytes.length;) {
        done += fs.writeSync(file, bytes, done, bytes.length - done, offset + done);
      }
    },
    truncate: (size) => fs.ftruncateSync(file, size),
    sync: () => fs.fsyncSync(file),
    close: () => fs.closeSync(file),
  };
}

/** A file read by a thread that may block. */
export interface Source {
  readonly size: number;
  /** Fills `buffer` from `offset`, or as much as the file has; returns the count of bytes. */
  readAt(buffer: Uint8Array, offset: number): number;
  close(): void;
}

export async function openSource(path: string): Promise<Source> {
  const fs = await import("node:fs");
  const file = fs.openSync(path, "r");
  return {
    size: fs.fstatSync(file).size,
    readAt(buffer, offset) {
      let done = 0;
      while (done < buffer.length) {
        const count = fs.readSync(file, buffer, done, buffer.length - done, offset + done);
        if (count === 0) break;
        done += count;
      }
      return done;
    },
    close: () => fs.closeSync(file),
  };
}

/**
 * Reads a file front to back. While one piece is worked on, the next is on its way: a piece is valid until the
 * one after the next is asked for.
 *
 * @param size most bytes of a piece
 */
export async function* readPieces(path: string, size: number): AsyncGenerator<Uint8Array> {
  const file = await Deno.open(path);
  let [current, ahead] = [new Uint8Array(size), new Uint8Array(size)];
  let reading = file.read(current);
  try {
    for (let count = await reading; count !== null; count = await reading) {
      reading = file.read(ahead);
      yield current.subarray(0, count);
      [current, ahead] = [ahead, current];
    }
  } finally {
    await reading.catch(() => {});
    file.close();
  }
}

async function appendTo(path: string): Promise<LineFile> {
  const file = await Deno.open(path, { create: true, append: true, mode: 0o600 });
  return {
    async append(line) {
      const bytes = new TextEncoder().encode(`${line}\n`);
      const { size } = await file.stat();
      try {
        for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
        await file.syncData();
      } catch (error) {
        // Half a line would run into the next one.
        await file.truncate(size).catch(() => {});
        throw error;
      }
    },
    close() {
      file.close();
      return Promise.resolve();
    },
  };
}

/** The mode is of the folder itself: a parent made on the way must stay passable for others. */
async function makeFolder(path: string, options: { readonly mode?: number } = {}): Promise<void> {
  const parent = path.slice(0, path.lastIndexOf("/"));
  if (parent !== "") await Deno.mkdir(parent, { recursive: true });
  await Deno.mkdir(path, options).catch((error) => {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  });
}

async function list(path: string): Promise<readonly string[]> {
  const names: string[] = [];
  try {
    for await (const entry of Deno.readDir(path)) names.push(entry.name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return names.sort();
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

function space(path: string): Promise<{ free: number; total: number }> {
  return new Promise((resolve, reject) => {
    statfs(path, (error, stats) => {
      if (error) return reject(error);
      resolve({ free: stats.bavail * stats.bsize, total: stats.blocks * stats.bsize });
    });
  });
}

async function lock(path: string): Promise<FileLock | undefined> {
  const file = await Deno.open(path, { create: true, read: true, write: true, mode: 0o644 });
  let held = false;
  try {
    held = await file.tryLock(true);
  } catch (error) {
    throw new VmbError(`Lock of "${path}" failed: ${String(error)}`, {
      code: "files.lock",
      hint: "The share must support file locks: NFS version 4, or version 3 with lockd",
      cause: error,
    });
  } finally {
    if (!held) file.close();
  }
  if (!held) return undefined;
  return {
    async write(text) {
      await file.truncate(0);
      await file.seek(0, Deno.SeekMode.Start);
      await file.write(new TextEncoder().encode(text));
      await file.sync();
    },
    async release() {
      await file.truncate(0).catch(() => {});
      // Not by closing it: a child that is just being started may hold a copy.
      await file.unlock().catch(() => {});
      file.close();
    },
  };
}
