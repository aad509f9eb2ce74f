import type { Domain } from "./domain.ts";
import type { Virsh } from "./virsh.ts";

/** Bytes that the block job of a disk has behind it; `undefined` when none runs. */
export async function blockJobProgress(
  virsh: Virsh,
  domain: Domain,
  target: string,
): Promise<number | undefined> {
  const { stdout } = await virsh.attempt(["blockjob", domain.uuid, target, "--info", "--raw"]);
  const bytes = /^\s*cur=(\d+)/m.exec(stdout)?.[1];
  return bytes === undefined ? undefined : Number(bytes);
}

/** Targets of disks that have a block job of any kind, also one deep in a chain, which the XML does not show. */
export async function busyDisks(
  virsh: Virsh,
  domain: Domain,
  targets: readonly string[],
): Promise<readonly string[]> {
  const progress = await Promise.all(
    targets.map((target) => blockJobProgress(virsh, domain, target)),
  );
  return targets.filter((_, index) => progress[index] !== undefined);
}
