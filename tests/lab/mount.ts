import { type Argv, runOk, systemProcesses } from "../../core/sys/process.ts";
import type { Lab } from "./lab.ts";
import { unmountBelow } from "./leftovers.ts";

/** Something mounted below the lab's folder; it is unmounted with its lab. */
export interface Mount {
  /** The mount point. */
  readonly path: string;
  /** What `/proc/self/mounts` says of it: `ext4`. */
  readonly type: string;
  /** Makes it read-only or writable again; fails while a file on it is open for writing. */
  setReadOnly(readOnly: boolean): Promise<void>;
  unmount(): Promise<void>;
}

/** Why nothing can be mounted here, or `undefined` when it can. */
export function whyNoMount(): string | undefined {
  return Deno.uid() === 0 ? undefined : "only root can mount";
}

/**
 * Mounts an ext4 file system of a given size: a share that is soon full. Nothing of it is reserved for
 * root, so that root meets its end too.
 */
export async function mountSmallFilesystem(lab: Lab, sizeMiB: number): Promise<Mount> {
  const { path, file } = await mountPoint(lab);
  await run("truncate", "--size", `${sizeMiB}M`, file);
  await run("mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^has_journal", file);
  await run("mount", "-t", "ext4", "-o", "loop", file, path);
  await Deno.remove(`${path}/lost+found`, { recursive: true });
  return mounted(lab, path, "ext4", (words) => `remount,${words}`);
}

/** Shows a folder at a second place, where it can be made read-only without touching the first. */
export async function bindFolder(lab: Lab, folder: string): Promise<Mount> {
  const { path } = await mountPoint(lab);
  await run("mount", "--bind", folder, path);
  const type = (await run("stat", "--file-system", "--format=%T", path)).trim();
  return mounted(lab, path, type, (words) => `remount,bind,${words}`);
}

function mounted(lab: Lab, path: string, type: string, remount: (words: string) => string): Mount {
  const unmount = () => unmountBelow(path);
  lab.defer(unmount);
  return {
    path,
    type,
    unmount,
    async setReadOnly(readOnly) {
      await run("mount", "-o", remount(readOnly ? "ro" : "rw"), path);
    },
  };
}

async function mountPoint(lab: Lab): Promise<{ readonly path: string; readonly file: string }> {
  const folder = await Deno.makeTempDir({ dir: lab.folder, prefix: "mount-" });
  await Deno.chmod(folder, 0o711);
  const path = `${folder}/share`;
  await Deno.mkdir(path);
  return { path, file: `${folder}/file-system` };
}

async function run(...argv: Argv): Promise<string> {
  return (await runOk(systemProcesses, argv)).stdout;
}
