import type { Domain } from "./domain.ts";
import type { Virsh } from "./virsh.ts";

export interface BlockJob {
  /** Bytes behind it, and bytes in all: both may grow. */
  readonly done: number;
  readonly total: number;
}

/** The block job of a disk; `undefined` when none runs. */
export async function blockJob(
  virsh: Virsh,
  domain: Domain,
  target: string,
): Promise<BlockJob | undefined> {
  const { stdout } = await virsh.attempt(["blockjob", domain.uuid, target, "--info", "--raw"]);
  const [done, total] = ["cur", "end"].map((key) =>
    new RegExp(`^\\s*${key}=(\\d+)`, "m").exec(stdout)?.[1]
  );
  return done === undefined ? undefined : { done: Number(done), total: Number(total ?? done) };
}

/** Targets of disks that have a block job of any kind, also one deep in a chain, which the XML does not show. */
export async function busyDisks(
  virsh: Virsh,
  domain: Domain,
  targets: readonly string[],
): Promise<readonly string[]> {
  const jobs = await Promise.all(
    targets.map((target) => blockJob(virsh, domain, target)),
  );
  return targets.filter((_, index) => jobs[index] !== undefined);
}
