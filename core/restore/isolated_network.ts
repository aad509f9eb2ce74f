import type { Virsh } from "../libvirt/virsh.ts";
import type { System } from "../sys/system.ts";

/** The libvirt network for VMs that are restored to be looked at. */
export const isolatedNetworkName = "vmb-isolated";

/**
 * libvirt, formatnetwork.html: without `<forward>` and without an address it is a bridge between its guests,
 * with nothing of the host on it.
 */
const isolatedNetworkXml = `<network>
  <name>${isolatedNetworkName}</name>
  <bridge name='vmb-isolated' stp='off' delay='0'/>
</network>
`;

/** Makes the network when there is none, and starts it when it is not active. It stays. */
export async function ensureIsolatedNetwork(
  { files }: Pick<System, "files">,
  virsh: Virsh,
  stagingFolder: string,
): Promise<void> {
  const listed = async (...more: string[]) =>
    (await virsh.run(["net-list", "--name", ...more])).split("\n")
      .some((line) => line.trim() === isolatedNetworkName);
  if (!await listed("--all")) {
    const file = `${stagingFolder}/network.xml`;
    await files.write(file, isolatedNetworkXml);
    await virsh.run(["net-define", "--file", file]);
  }
  if (!await listed()) await virsh.run(["net-start", isolatedNetworkName]);
}
