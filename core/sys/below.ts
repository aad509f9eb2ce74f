import { closeSync, constants, fstatSync, open as openFile } from "node:fs";
import { VmbError } from "../error.ts";

/**
 * For trees that others may write to: below this folder no link is followed at any level, and only regular
 * files are opened. The folder itself, and what is above it, is trusted.
 */
export interface Below {
  readonly below?: string | undefined;
}

/** Names a file without opening it (open(2)): no FIFO blocks, no device does anything. */
const O_PATH = 0o10000000;
const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;

const intruder = "Whoever may write to the share made it so: look at who that is, and remove it";

/** A name in a folder, to be worked on. */
export interface Entry {
  /** The entry itself, for a system call: a link that it may be is the last part of it. */
  readonly entry: string;
  /** The folder that holds it. */
  readonly folder: string;
}

/**
 * Works on an entry of a folder. Below a root, the folder is reached part by part and held open, so that
 * nobody can put a link in its place meanwhile: `entry` leads through /proc/self/fd, as openat(2) would.
 *
 * @throws {VmbError} `files.link` when a part is a link, `files.path` when `path` leads out of the root
 */
export async function withEntry<T>(
  path: string,
  { below }: Below,
  work: (at: Entry) => Promise<T>,
): Promise<T> {
  if (below === undefined) {
    const folder = path.slice(0, path.lastIndexOf("/")) || "/";
    return await work({ entry: path, folder });
  }
  const parts = partsBelow(path, below);
  const name = parts.pop() ?? ".";
  const held = await holdFolder(below, parts);
  try {
    return await work({ entry: `${held.at}/${name}`, folder: held.at });
  } catch (error) {
    throw renamed(error, held.at, [below, ...parts].join("/"));
  } finally {
    held.close();
  }
}

/** Works on a folder itself, reached as `withEntry` reaches the one that holds an entry. */
export async function withFolder<T>(
  path: string,
  { below }: Below,
  work: (at: string) => Promise<T>,
): Promise<T> {
  if (below === undefined) return await work(path);
  const held = await holdFolder(below, partsBelow(path, below));
  try {
    return await work(held.at);
  } catch (error) {
    throw renamed(error, held.at, path);
  } finally {
    held.close();
  }
}

/** Works on what an entry names, whatever becomes of the name; a link is refused. */
export async function withNode<T>(
  entry: string,
  path: string,
  work: (at: string, node: { readonly isFile: boolean; readonly nlink: number }) => Promise<T>,
  createMode?: number,
): Promise<T> {
  const named = await nameFile(entry, path, createMode);
  try {
    const stat = fstatSync(named);
    if (stat.isSymbolicLink()) throw linkRefused(path);
    return await work(`/proc/self/fd/${named}`, { isFile: stat.isFile(), nlink: stat.nlink });
  } catch (error) {
    throw renamed(error, `/proc/self/fd/${named}`, path);
  } finally {
    closeSync(named);
  }
}

/** Makes a folder and what is missing above it. */
export async function makeFolderBelow(path: string, below: string, mode?: number): Promise<void> {
  const parts = partsBelow(path, below);
  if (parts.length === 0) return;
  await Deno.mkdir(below, { recursive: true });
  let held = await holdFolder(below, []);
  try {
    for (const [index, part] of parts.entries()) {
      const isLast = index === parts.length - 1;
      const made = [below, ...parts.slice(0, index + 1)].join("/");
      await Deno.mkdir(`${held.at}/${part}`, isLast && mode !== undefined ? { mode } : {})
        .catch((error) => {
          if (!(error instanceof Deno.errors.AlreadyExists)) throw renamed(error, held.at, made);
        });
      const next = await holdPart(held.at, part, made);
      held.close();
      held = next;
    }
  } finally {
    held.close();
  }
}

/** How `withRegular` takes a file. */
export interface RegularOptions {
  /** Makes a missing file, with this mode. */
  readonly createMode?: number | undefined;
  /** Refuses a file that has a second name. */
  readonly alone?: boolean;
}

/**
 * Works on a regular file, and nothing else, without following a link as its last part; whatever else it may
 * be is not even opened.
 *
 * @throws {VmbError} `files.not-regular`, `files.link`, `files.hard-link`
 */
export async function withRegular<T>(
  entry: string,
  path: string,
  work: (at: string) => Promise<T>,
  { createMode, alone = false }: RegularOptions = {},
): Promise<T> {
  return await withNode(entry, path, async (at, { isFile, nlink }) => {
    if (!isFile) {
      throw new VmbError(`"${path}" is no regular file: nothing else is opened on a share`, {
        code: "files.not-regular",
        hint: intruder,
      });
    }
    if (alone && nlink > 1) {
      throw new VmbError(`"${path}" has ${nlink} names: it may be another file of the share`, {
        code: "files.hard-link",
        hint: intruder,
      });
    }
    return await work(at);
  }, createMode);
}

/** Holds a file by name alone; makes it first when it is missing and is to be made. */
async function nameFile(entry: string, path: string, createMode?: number): Promise<number> {
  for (let attempt = 0;; attempt++) {
    try {
      return await openFd(entry, O_PATH | O_NOFOLLOW);
    } catch (error) {
      const isMissing = error instanceof Deno.errors.NotFound;
      // Somebody who makes and removes it in a circle would keep us here.
      if (!isMissing || createMode === undefined || attempt === 5) {
        throw renamed(error, entry, path);
      }
    }
    try {
      closeSync(await openFd(entry, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, createMode));
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw renamed(error, entry, path);
    }
  }
}

/** A folder that is held open: what becomes of its path is nothing to it. */
interface HeldFolder {
  /** A path that leads to it, and to its entries, for system calls of this process. */
  readonly at: string;
  close(): void;
}

async function holdFolder(root: string, parts: readonly string[]): Promise<HeldFolder> {
  let held = hold(await openFd(root, O_PATH | O_DIRECTORY));
  for (const [index, part] of parts.entries()) {
    try {
      const next = await holdPart(held.at, part, [root, ...parts.slice(0, index + 1)].join("/"));
      held.close();
      held = next;
    } catch (error) {
      held.close();
      throw error;
    }
  }
  return held;
}

async function holdPart(at: string, part: string, path: string): Promise<HeldFolder> {
  const entry = `${at}/${part}`;
  try {
    return hold(await openFd(entry, O_PATH | O_DIRECTORY | O_NOFOLLOW));
  } catch (error) {
    const isLink = await Deno.lstat(entry).then(({ isSymlink }) => isSymlink, () => false);
    throw isLink ? linkRefused(path) : renamed(error, entry, path);
  }
}

function hold(fd: number): HeldFolder {
  return { at: `/proc/self/fd/${fd}`, close: () => closeSync(fd) };
}

function partsBelow(path: string, below: string): string[] {
  const root = below.replace(/\/+$/, "");
  const rest = path === root
    ? ""
    : path.startsWith(`${root}/`)
    ? path.slice(root.length + 1)
    : "..";
  if (rest === "") return [];
  const parts = rest.replace(/\/+$/, "").split("/");
  if (parts.every((part) => !["", ".", ".."].includes(part) && !part.includes("\0"))) return parts;
  throw new VmbError(`Path "${path}" is refused: it leads out of "${below}"`, {
    code: "files.path",
  });
}

function linkRefused(path: string): VmbError {
  return new VmbError(`"${path}" is a link: none is followed on a share`, {
    code: "files.link",
    hint: intruder,
  });
}

/** What other doors to files throw, and in which words. */
const errorClasses: Readonly<Record<string, [new (message: string) => Error, string]>> = {
  ENOENT: [Deno.errors.NotFound, "No such file or directory"],
  ENOTDIR: [Deno.errors.NotADirectory, "Not a directory"],
  EEXIST: [Deno.errors.AlreadyExists, "File exists"],
  EACCES: [Deno.errors.PermissionDenied, "Permission denied"],
  EPERM: [Deno.errors.PermissionDenied, "Operation not permitted"],
};

function openFd(path: string, flags: number, mode?: number): Promise<number> {
  return new Promise((resolve, reject) => {
    openFile(path, flags, mode, (error, fd) => {
      if (error === null || error === undefined) return resolve(fd);
      const [Known, words] = errorClasses[error.code ?? ""] ?? [];
      if (Known === undefined) return reject(error);
      reject(Object.assign(new Known(`${words}: open '${path}'`), { code: error.code }));
    });
  });
}

/** Names the path that was asked for in place of the way that was gone. */
function renamed(thrown: unknown, way: string, path: string): unknown {
  if (thrown instanceof Error && !(thrown instanceof VmbError)) {
    thrown.message = thrown.message.replaceAll(way, path);
  }
  return thrown;
}
