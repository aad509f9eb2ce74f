/** Replaces a file: see `Files.write`. */
export async function write(
  path: string,
  content: string | Uint8Array,
  options: { readonly mode?: number } = {},
): Promise<void> {
  const { mode = 0o600 } = options;
  const { folder, temporary } = besideOf(path);
  const file = await Deno.open(temporary, { createNew: true, write: true, mode });
  try {
    try {
      const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
      for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
      await file.sync();
    } finally {
      file.close();
    }
    await Deno.chmod(temporary, mode);
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw error;
  }
  await syncFile(folder);
}

/** Makes a link, or replaces what is there: see `Files.makeLink`. */
export async function makeLink(path: string, target: string): Promise<void> {
  const { folder, temporary } = besideOf(path);
  await Deno.symlink(target, temporary);
  try {
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw error;
  }
  await syncFile(folder);
}

/** The folder of a path, and a name in it that a file has until it is whole. */
function besideOf(path: string): { readonly folder: string; readonly temporary: string } {
  const slash = path.lastIndexOf("/");
  const folder = path.slice(0, slash) || "/";
  const unique = crypto.randomUUID().slice(0, 8);
  return { folder, temporary: `${folder}/.${path.slice(slash + 1)}.${unique}.tmp` };
}

/** Whether `write` or `makeLink` for the file `name` made a file of that other name, and was killed. */
export function isLeftover(other: string, name: string): boolean {
  return other.startsWith(`.${name}.`) &&
    /^[0-9a-f]{8}\.tmp$/.test(other.slice(name.length + 2));
}

/** Makes the content of a file, or the names in a folder, durable. */
export async function syncFile(path: string): Promise<void> {
  const file = await Deno.open(path);
  try {
    await file.sync();
  } finally {
    file.close();
  }
}
