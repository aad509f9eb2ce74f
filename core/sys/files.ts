import { constants } from "node:fs";
import { type Below, makeFolderBelow, withEntry, withNode, withRegular } from "./below.ts";
import { type FileInfo, inspect, inspectTarget, list, space } from "./inspect.ts";
import {
  appendTo,
  type FileLock,
  type LineFile,
  lock,
  read,
  type ReadOptions,
  readStart,
  readText,
} from "./open_files.ts";
import { makeLink, syncFile, syncFolder, write } from "./replacement.ts";

export type { Below, FileInfo, FileLock, LineFile, ReadOptions };

/**
 * The door to files and folders. `below` names a root that others may write to: see `Below`.
 */
export interface Files {
  readText(path: string, options?: ReadOptions): Promise<string>;
  read(path: string, options?: ReadOptions): Promise<Uint8Array<ArrayBuffer>>;
  /** The first `length` bytes of a file, or as many as it has. */
  readStart(path: string, length: number, options?: Below): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * Replaces a file durably: temporary file in the same folder, write, fsync, rename, fsync of the folder.
   * Whoever reads the path sees the old content or the new one.
   */
  write(
    path: string,
    content: string | Uint8Array,
    options?: Below & { readonly mode?: number },
  ): Promise<void>;
  /** Opens a file for appending; one that is missing is made with mode 0600. */
  appendTo(path: string, options?: Below): Promise<LineFile>;
  /** Copies a file durably, keeping its holes out of the question: small files only. */
  copy(from: string, to: string, options?: Below & { readonly mode?: number }): Promise<void>;
  /** Makes a folder and its parents; one that is there is left as it is. */
  makeFolder(path: string, options?: Below & { readonly mode?: number }): Promise<void>;
  /** Names in a folder, sorted by code unit; empty when there is no such folder. */
  list(path: string, options?: Below): Promise<readonly string[]>;
  /** `undefined` when there is no such file; does not follow a final symlink. */
  inspect(path: string, options?: Below): Promise<FileInfo | undefined>;
  /** Like `inspect`, but follows symlinks, where none is below a root. */
  inspectTarget(path: string, options?: Below): Promise<FileInfo | undefined>;
  /** Removes a file or a whole folder; one that is missing is no error. */
  remove(path: string, options?: Below): Promise<void>;
  rename(from: string, to: string, options?: Below): Promise<void>;
  /** Makes names that were added, renamed or removed in a folder durable. */
  syncFolder(path: string, options?: Below): Promise<void>;
  syncFile(path: string, options?: Below): Promise<void>;
  own(path: string, uid: number, gid: number, options?: Below): Promise<void>;
  setMode(path: string, mode: number, options?: Below): Promise<void>;
  /** Makes a symlink durably; one that is there, or a file, is replaced in one step. */
  makeLink(path: string, target: string, options?: Below): Promise<void>;
  readLink(path: string, options?: Below): Promise<string>;
  /** Space of the file system that holds the folder `path`, in bytes, as an unprivileged writer sees it. */
  space(
    path: string,
    options?: Below,
  ): Promise<{ readonly free: number; readonly total: number }>;
  /**
   * Takes the flock(2) of a file, made when missing; `undefined` when another process holds it. Below a root the
   * file must have one name alone: what is written into it must not be written into another file.
   */
  lock(path: string, options?: Below): Promise<FileLock | undefined>;
  realPath(path: string): Promise<string>;
}

export const systemFiles: Files = {
  readText,
  read,
  readStart,
  write,
  appendTo,
  async copy(from, to, options) {
    await write(to, await read(from, options), options);
  },
  makeFolder,
  list,
  inspect,
  inspectTarget,
  remove,
  rename: (from, to, options = {}) =>
    withEntry(
      from,
      options,
      (source) => withEntry(to, options, (target) => Deno.rename(source.entry, target.entry)),
    ),
  syncFolder,
  syncFile,
  own: (path, uid, gid, options) => changed(path, options, (at) => Deno.chown(at, uid, gid)),
  setMode: (path, mode, options) => changed(path, options, (at) => Deno.chmod(at, mode)),
  makeLink,
  readLink: (path, options = {}) => withEntry(path, options, ({ entry }) => Deno.readLink(entry)),
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
export async function createSink(path: string, options: Below = {}): Promise<Sink> {
  const fs = await import("node:fs");
  const { O_CREAT, O_EXCL, O_WRONLY } = constants;
  const file = await withEntry(
    path,
    options,
    ({ entry }) => Promise.resolve(fs.openSync(entry, O_CREAT | O_EXCL | O_WRONLY, 0o600)),
  );
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

export async function openSource(path: string, options: Below = {}): Promise<Source> {
  const fs = await import("node:fs");
  const file = await openToRead(path, options, (at) => Promise.resolve(fs.openSync(at, "r")));
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
export async function* readPieces(
  path: string,
  size: number,
  options: Below = {},
): AsyncGenerator<Uint8Array> {
  const file = await openToRead(path, options, (at) => Deno.open(at));
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

function openToRead<T>(
  path: string,
  options: Below,
  open: (at: string) => Promise<T>,
): Promise<T> {
  if (options.below === undefined) return withRegular(path, path, open);
  return withEntry(path, options, ({ entry }) => withRegular(entry, path, open));
}

/** The mode is of the folder itself: a parent made on the way must stay passable for others. */
async function makeFolder(
  path: string,
  { below, ...options }: Below & { readonly mode?: number } = {},
): Promise<void> {
  if (below !== undefined) return await makeFolderBelow(path, below, options.mode);
  const parent = path.slice(0, Math.max(0, path.lastIndexOf("/")));
  if (parent !== "") await Deno.mkdir(parent, { recursive: true });
  await Deno.mkdir(path, options).catch((error) => {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  });
}

async function remove(path: string, options: Below = {}): Promise<void> {
  try {
    // The runtime opens each folder in it without following links.
    await withEntry(path, options, ({ entry }) => Deno.remove(entry, { recursive: true }));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** A link that is to be changed is followed only where no others write. */
async function changed(
  path: string,
  options: Below = {},
  change: (at: string) => Promise<void>,
): Promise<void> {
  if (options.below === undefined) return await change(path);
  await withEntry(path, options, ({ entry }) => withNode(entry, path, change));
}
