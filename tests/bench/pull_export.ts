import { pullJobXml } from "../../core/libvirt/backup_job.ts";
import type { Guest } from "../lab/guest.ts";
import type { Hypervisor } from "../lab/hypervisor.ts";

/**
 * Begins a pull-mode backup job of the guest's first disk, and ends it when `use` has settled.
 *
 * @param use gets the NBD URI of the export
 */
export async function withPullExport<T>(
  { lab, virsh }: Hypervisor,
  guest: Guest,
  use: (uri: string) => Promise<T>,
): Promise<T> {
  const folder = await Deno.makeTempDir({ dir: lab.folder, prefix: "export-" });
  // QEMU makes the socket and the scratch file itself, as a user of its own.
  await Deno.chmod(folder, 0o777);
  const socketPath = `${folder}/s`;
  const disks = guest.disks.map(({ target }) => ({ target, scratch: `${folder}/${target}` }));
  try {
    await Deno.writeTextFile(`${folder}/job.xml`, pullJobXml({ socketPath, disks }));
    await virsh("backup-begin", guest.name, `${folder}/job.xml`);
    try {
      return await use(`nbd+unix:///${disks[0]?.target}?socket=${socketPath}`);
    } finally {
      await virsh("domjobabort", guest.name);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
