import type { Virsh } from "./virsh.ts";

/**
 * The path of a storage volume.
 *
 * @returns `path` is no path of this machine when the pool is of a network, such as rbd; `problem` says why there is
 *   none
 */
export async function volumePath(
  virsh: Virsh,
  { pool, volume }: { readonly pool: string; readonly volume: string },
): Promise<{ readonly path: string } | { readonly problem: string }> {
  const done = await virsh.attempt(["vol-path", `--pool=${pool}`, `--vol=${volume}`]);
  if (done.code === 0) return { path: done.stdout.trim() };
  const words = done.stderr.trim().split("\n").map((line) => line.replace(/^error:\s*/, ""));
  return {
    problem: `volume "${volume}" of pool "${pool}" is not to be had: ${words.at(-1) ?? ""}`,
  };
}
