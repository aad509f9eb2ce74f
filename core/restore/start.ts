import { toVmbError, VmbError } from "../error.ts";
import type { Virsh } from "../libvirt/virsh.ts";
import { applyEdits, attributeEdit, insertionInto } from "../libvirt/xml_edit.ts";
import { attribute, child, children, parseDomain } from "../libvirt/xml_element.ts";
import type { System } from "../sys/system.ts";
import type { RestorePlan } from "./plan.ts";

const startTimeoutMs = 180_000;

/** @throws {VmbError} `restore.start` when the VM is restored, but does not start */
export async function startRestored(virsh: Virsh, plan: RestorePlan): Promise<void> {
  try {
    await virsh.run(["start", "--domain", plan.uuid], { timeoutMs: startTimeoutMs });
  } catch (thrown) {
    const error = toVmbError(thrown);
    throw new VmbError(
      `"${plan.name}" is restored and defined, but does not start: ${error.message}`,
      {
        code: "restore.start",
        hint: `Put right what it says, then: virsh start ${plan.uuid}`,
      },
    );
  }
}

/**
 * Starts a defined domain that reads from its backup: a read that fails stops the guest, which can go on
 * later, instead of telling it that its disk is broken. The next start has the domain's own definition again.
 */
export async function startOnBackup(
  { files }: Pick<System, "files">,
  virsh: Virsh,
  plan: RestorePlan,
  stagingFolder: string,
): Promise<void> {
  const file = `${stagingFolder}/running.xml`;
  await files.write(file, stoppingOnReadErrors(plan.xml, plan.disks.map(({ disk }) => disk)));
  await virsh.run(["create", "--file", file], { timeoutMs: startTimeoutMs });
}

/** Sets `rerror_policy` (libvirt, formatdomain.html, `driver` of a disk). */
export function stoppingOnReadErrors(xml: string, targets: readonly string[]): string {
  const devices = child(parseDomain(xml), "devices");
  const disks = (devices ? children(devices, "disk") : []).filter((disk) =>
    targets.includes(attribute(child(disk, "target"), "dev") ?? "")
  );
  return applyEdits(
    xml,
    disks.map((disk) => {
      const driver = child(disk, "driver");
      return driver === undefined
        ? insertionInto(xml, disk, "<driver name='qemu' type='qcow2' rerror_policy='stop'/>")
        : attributeEdit(xml, driver, "rerror_policy", "stop");
    }),
  );
}
