import { exitCodes, VmbError } from "../error.ts";
import type { VmEntry } from "../config/vm_list.ts";
import { listBackups, type StoredBackup } from "../repository/backups.ts";
import type { Files } from "../sys/files.ts";
import { lastProof } from "./proofs.ts";

/** The last backup of a VM, which may be unreadable, and when one of its backups was last test-restored. */
export interface Candidate {
  readonly backup: StoredBackup;
  /** ISO time; `undefined` when it never was. */
  readonly provedAt: string | undefined;
}

/**
 * The VMs of vm-list.yaml that have a backup, the one first whose last test restore is the
 * longest ago, whatever its verdict. Without a list, all VMs on the share.
 *
 * @throws {VmbError} `repository.no-backup` when there is none
 */
export async function candidates(
  share: Files,
  root: string,
  vms: readonly Pick<VmEntry, "name">[],
): Promise<readonly Candidate[]> {
  const latest = new Map<string, StoredBackup>();
  const proved = new Map<string, string>();
  for (const backup of await listBackups(share, root)) {
    const { vm } = backup.address;
    if (vms.length > 0 && !vms.some(({ name }) => name === vm)) continue;
    latest.set(vm, backup);
    const at = (await lastProof(share, backup.address))?.proof?.startedAt;
    if (at !== undefined && at > (proved.get(vm) ?? "")) proved.set(vm, at);
  }
  if (latest.size === 0) {
    throw new VmbError(`No VM of vm-list.yaml has a backup in "${root}"`, {
      code: "repository.no-backup",
      exit: exitCodes.notFound,
      hint: "List the backups that there are with: vmb hv list",
    });
  }
  return [...latest].map(([vm, backup]) => ({ backup, provedAt: proved.get(vm) }))
    .sort((a, b) => order(a) < order(b) ? -1 : 1);
}

function order({ backup, provedAt = "" }: Candidate): string {
  return `${provedAt} ${backup.address.vm}`;
}
