import type { Guest } from "../lab/guest.ts";
import type { Hypervisor } from "../lab/hypervisor.ts";
import { waitFor } from "../lab/wait.ts";

/** Has QEMU write the guest's first disk into a new qcow2 file, and waits until it has. */
export async function pushToQcow2(
  { virsh }: Hypervisor,
  guest: Guest,
  path: string,
): Promise<void> {
  const job = `${path}.xml`;
  await Deno.writeTextFile(
    job,
    `<domainbackup mode='push'>
  <disks>
    <disk name='${guest.disks[0]?.target}' backup='yes' type='file'>
      <driver type='qcow2'/>
      <target file='${path}'/>
    </disk>
  </disks>
</domainbackup>
`,
  );
  await virsh("backup-begin", guest.name, job);
  await waitFor(
    async () => /^Job type:\s+None/m.test(await virsh("domjobinfo", guest.name)) || undefined,
    { what: "the end of the push job", deadlineMs: 1_800_000, everyMs: 50 },
  );
  // A job that failed is gone just like one that succeeded.
  const ended = await virsh("domjobinfo", guest.name, "--completed");
  if (!/^Job type:\s+Completed/m.test(ended)) throw new Error(`Push job failed: ${ended}`);
}
