import { systemProcesses } from "../../core/sys/process.ts";
import type { Guest } from "../lab/guest.ts";
import type { Site } from "./site.ts";

/** Why no guest can have a TPM here: it takes swtpm, and the machine's own libvirt. */
export const noTpm: boolean = Deno.uid() !== 0 ||
  await systemProcesses.run(["swtpm", "--version"]).then(({ code }) => code !== 0, () => true);

/** Where libvirt keeps the state of a TPM; only the machine's own libvirt and we see the same there. */
export function tpmStateOf(uuid: string): string {
  return `/var/lib/libvirt/swtpm/${uuid}`;
}

export async function addTpm({ hypervisor: { virsh } }: Site, guest: Guest): Promise<void> {
  const xml = await virsh("dumpxml", "--inactive", "--domain", guest.name);
  const path = `${guest.folder}/with-tpm.xml`;
  await Deno.writeTextFile(
    path,
    xml.replace(
      "</devices>",
      "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm></devices>",
    ),
  );
  await virsh("define", path);
}
