import { VmbError } from "../error.ts";
import { type Below, withEntry, withRegular } from "./below.ts";

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

/** How a file is read as a whole. */
export interface ReadOptions extends Below {
  /** Most bytes; one that has more is refused. Default: 64 MiB below a root, any size elsewhere. */
  readonly limit?: number;
}

const defaultLimit = 64 * 1024 ** 2;

/**
 * Reads a whole file.
 *
 * @throws {VmbError} `files.too-large`; below a root also those of `withRegular`
 */
export async function read(
  path: string,
  options: ReadOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const { below, limit = below === undefined ? Infinity : defaultLimit } = options;
  if (limit === Infinity) return await Deno.readFile(path);
  const file = await open(path, options, { read: true });
  try {
    const { size } = await file.stat();
    if (size > limit) throw tooLarge(path, limit);
    // It may grow meanwhile: one byte more than the limit tells.
    const buffer = new Uint8Array(Math.min(size, limit) + 1);
    let done = 0;
    while (done < buffer.length) {
      const count = await file.read(buffer.subarray(done));
      if (count === null) return buffer.slice(0, done);
      done += count;
    }
    throw size < limit ? changed(path) : tooLarge(path, limit);
  } finally {
    file.close();
  }
}

/** The beginning of a file: see `Files.readStart`. */
export async function readStart(
  path: string,
  length: number,
  options: Below = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const file = await open(path, options, { read: true });
  try {
    const buffer = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      const count = await file.read(buffer.subarray(done));
      if (count === null) break;
      done += count;
    }
    return buffer.slice(0, done);
  } finally {
    file.close();
  }
}

export async function readText(path: string, options: ReadOptions = {}): Promise<string> {
  if (options.below === undefined && options.limit === undefined) {
    return await Deno.readTextFile(path);
  }
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(await read(path, options));
}

/** Opens a file for appending: see `Files.appendTo`. */
export async function appendTo(path: string, options: Below = {}): Promise<LineFile> {
  const file = await open(path, options, { create: true, append: true, mode: 0o600 });
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

/** Takes the flock(2) of a file: see `Files.lock`. */
export async function lock(path: string, options: Below = {}): Promise<FileLock | undefined> {
  // What is written into it must not be written into another file.
  const how = { create: true, read: true, write: true, mode: 0o644 };
  const file = await open(path, options, how, { alone: true });
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

/** Opens a file; below a root only a regular one, however it came to have that name. */
export async function open(
  path: string,
  options: Below,
  how: Deno.OpenOptions,
  { alone = false }: { readonly alone?: boolean } = {},
): Promise<Deno.FsFile> {
  if (options.below === undefined) return await Deno.open(path, how);
  const { create = false, mode, ...rest } = how;
  return await withEntry(
    path,
    options,
    ({ entry }) =>
      withRegular(entry, path, (at) => Deno.open(at, rest), {
        alone,
        createMode: create ? mode ?? 0o600 : undefined,
      }),
  );
}

function tooLarge(path: string, limit: number): VmbError {
  return new VmbError(`"${path}" has more than ${limit} bytes: it is not read`, {
    code: "files.too-large",
    hint: "No such file of vmb is that large: look at who wrote it",
  });
}

function changed(path: string): VmbError {
  return new VmbError(`"${path}" grew while it was read`, { code: "files.changed" });
}
