import { VmbError } from "../error.ts";
import { domainRunId, domainStateReason } from "../libvirt/domain.ts";
import { lastEnd, lastWords, qemuLogPath, readQemuLog } from "../libvirt/qemu_log.ts";
import type { CaptureContext } from "./context.ts";

/** Error code of a VM that crashed during its backup. */
export const vmCrashed = "capture.vm-crashed";

/**
 * Tells what became of a domain that ran when it was captured, if it no longer is the same run of it. A crash is
 * told apart, with what QEMU said last: whoever reads it must look at the VM, and not repeat the backup.
 *
 * @param runId run-time id of the domain when it was captured
 * @returns `undefined` while that run goes on
 */
export async function domainEnd(
  { system, virsh, domain }: Pick<CaptureContext, "system" | "virsh" | "domain">,
  runId: string | undefined,
): Promise<VmbError | undefined> {
  const now = await domainStateReason(virsh, domain);
  const active = now !== undefined && now.state !== "shut off" && now.state !== "crashed";
  if (active && await domainRunId(virsh, domain) === runId) return undefined;

  const log = await readQemuLog(system, virsh.uri, domain);
  // libvirt forgets the reason of a transient domain, and of one that runs again; its log does not.
  const reason = (active ? undefined : now?.reason) ?? lastEnd(log);
  const next = active ? "; it was started again" : "";
  if (now?.state === "crashed" || reason === "crashed") {
    const words = lastWords(log).join(" | ");
    return new VmbError(
      `VM "${domain.name}" crashed during its backup${next}${words && `: ${words}`}`,
      {
        code: vmCrashed,
        hint: `Read ${qemuLogPath(system.host, virsh.uri, domain)}${
          active ? "" : `, start the VM (virsh start ${domain.uuid})`
        }, and find the cause before the next backup`,
      },
    );
  }
  const fate = now === undefined
    ? "the domain ended"
    : active
    ? "the domain was stopped or restarted"
    : `the domain was ${fates[reason ?? ""] ?? "stopped"}`;
  return new VmbError(`The capture of "${domain.name}" was lost: ${fate} during the copy`, {
    code: "capture.lost",
    hint: active ? "Run the backup again" : "Back it up as it is now, or start it first",
  });
}

/** libvirt's reasons for a domain that is shut off, as a person says them. */
const fates: Readonly<Record<string, string>> = {
  shutdown: "shut down by its guest",
  destroyed: "stopped by somebody (virsh destroy)",
  saved: "saved to disk (virsh managedsave)",
  migrated: "migrated to another hypervisor",
  failed: "stopped by libvirt",
};
