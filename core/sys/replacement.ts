import { type Below, withEntry, withFolder, withNode, withRegular } from "./below.ts";

/** Replaces a file: see `Files.write`. */
export async function write(
  path: string,
  content: string | Uint8Array,
  options: Below & { readonly mode?: number } = {},
): Promise<void> {
  const { mode = 0o600 } = options;
  await withEntry(path, options, async ({ entry, folder }) => {
    const temporary = besideOf(entry);
    const file = await Deno.open(temporary, { createNew: true, write: true, mode });
    try {
      try {
        const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
        for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
        await file.sync();
      } finally {
        file.close();
      }
      await withNode(temporary, path, (at) => Deno.chmod(at, mode));
      await Deno.rename(temporary, entry);
    } catch (error) {
      await Deno.remove(temporary).catch(() => {});
      throw error;
    }
    await syncFolder(folder);
  });
}

/** Makes a link, or replaces what is there: see `Files.makeLink`. */
export async function makeLink(path: string, target: string, options: Below = {}): Promise<void> {
  await withEntry(path, options, async ({ entry, folder }) => {
    const temporary = besideOf(entry);
    await Deno.symlink(target, temporary);
    try {
      await Deno.rename(temporary, entry);
    } catch (error) {
      await Deno.remove(temporary).catch(() => {});
      throw error;
    }
    await syncFolder(folder);
  });
}

/** A name beside a file that it has until it is whole. */
function besideOf(path: string): string {
  const slash = path.lastIndexOf("/");
  const unique = crypto.randomUUID().slice(0, 8);
  return `${path.slice(0, slash)}/.${path.slice(slash + 1)}.${unique}.tmp`;
}

/** Whether `write` or `makeLink` for the file `name` made a file of that other name, and was killed. */
export function isLeftover(other: string, name: string): boolean {
  return other.startsWith(`.${name}.`) &&
    /^[0-9a-f]{8}\.tmp$/.test(other.slice(name.length + 2));
}

/** Makes the content of a file durable. */
export async function syncFile(path: string, options: Below = {}): Promise<void> {
  if (options.below === undefined) return await sync(await Deno.open(path));
  await withEntry(path, options, async ({ entry }) => {
    await sync(await withRegular(entry, path, (at) => Deno.open(at)));
  });
}

/** Makes the names in a folder durable. */
export async function syncFolder(path: string, options: Below = {}): Promise<void> {
  await withFolder(path, options, async (at) => await sync(await Deno.open(at)));
}

async function sync(file: Deno.FsFile): Promise<void> {
  try {
    await file.sync();
  } finally {
    file.close();
  }
}
