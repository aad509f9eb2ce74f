import { VmbError } from "../error.ts";
import { runningBackupXml } from "../libvirt/backup_job.ts";
import { type Domain, domainState, liveXml, persistentXml } from "../libvirt/domain.ts";
import type { Virsh } from "../libvirt/virsh.ts";
import type { System } from "../sys/system.ts";

/**
 * Removes the scratch folder of a run, after asking libvirt afresh that nothing of the domain lies in it:
 * a folder that holds a guest's only copy of its last writes must survive every other mistake.
 *
 * @throws {VmbError} `scratch.in-use` when the domain still names the folder
 */
export async function removeUnusedScratch(
  { system, virsh, domain }: {
    readonly system: Pick<System, "files">;
    readonly virsh: Virsh;
    readonly domain: Domain;
  },
  folder: string,
): Promise<void> {
  if (await system.files.inspect(folder) === undefined) return;
  const state = await domainState(virsh, domain);
  if (state !== undefined) {
    const views = [await persistentXml(virsh, domain)];
    if (state !== "shut off") {
      views.push(await liveXml(virsh, domain), await runningBackupXml(virsh, domain) ?? "");
    }
    if (views.some((xml) => names(xml, folder))) {
      throw new VmbError(`"${domain.name}" still uses files in "${folder}"`, {
        code: "scratch.in-use",
        hint: "Do not delete them: they may be its disks. Run: vmb hv recover",
      });
    }
  }
  await system.files.remove(folder);
}

/** Text that is too easily found keeps a folder; text that is missed would lose a disk. */
function names(xml: string, folder: string): boolean {
  const run = folder.slice(folder.lastIndexOf("/") + 1);
  return xml.includes(`${folder}/`) || xml.includes(`/${run}/`);
}
