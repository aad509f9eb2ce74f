import type { Domain } from "./domain.ts";
import type { Virsh } from "./virsh.ts";

export interface DomainInfo {
  readonly autostart: boolean;
  readonly persistent: boolean;
  /** A memory image waits for the next start: the disks then are those of a running guest. */
  readonly managedSave: boolean;
}

/** Sizes of a disk, in bytes. */
export interface BlockSizes {
  /** What the guest sees. */
  readonly capacity: number;
  /** What its image holds on the host. */
  readonly allocation: number;
}

export interface Versions {
  readonly libvirt: string | null;
  readonly qemu: string | null;
}

export async function domainInfo(virsh: Virsh, domain: Domain): Promise<DomainInfo> {
  const text = await virsh.run(["dominfo", domain.uuid]);
  const value = (name: string) => new RegExp(`^${name}:\\s*(.*)$`, "m").exec(text)?.[1]?.trim();
  return {
    autostart: value("Autostart") === "enable",
    persistent: value("Persistent") === "yes",
    managedSave: value("Managed save") === "yes",
  };
}

/** Sizes of one disk as libvirt knows them; `undefined` when it does not. */
export async function domainBlockSizes(
  virsh: Virsh,
  domain: Domain,
  target: string,
): Promise<BlockSizes | undefined> {
  const { code, stdout } = await virsh.attempt(["domblkinfo", domain.uuid, target]);
  if (code !== 0) return undefined;
  const value = (name: string) =>
    Number(new RegExp(`^${name}:\\s*(\\d+)`, "m").exec(stdout)?.[1] ?? 0);
  return { capacity: value("Capacity"), allocation: value("Allocation") };
}

/** Names of snapshots and checkpoints that libvirt keeps of a domain. */
export async function domainMoments(
  virsh: Virsh,
  domain: Domain,
): Promise<{ snapshots: readonly string[]; checkpoints: readonly string[] }> {
  const [snapshots, checkpoints] = await Promise.all([
    virsh.run(["snapshot-list", domain.uuid, "--name"]),
    virsh.run(["checkpoint-list", domain.uuid, "--name"]),
  ]);
  const names = (text: string) => text.split("\n").filter((line) => line !== "");
  return { snapshots: names(snapshots), checkpoints: names(checkpoints) };
}

export async function versions(virsh: Virsh): Promise<Versions> {
  const { stdout } = await virsh.attempt(["version"]);
  return {
    libvirt: /^Using library: libvirt (\S+)/m.exec(stdout)?.[1] ?? null,
    qemu: /^Running hypervisor: QEMU (\S+)/m.exec(stdout)?.[1] ?? null,
  };
}
