import { VmbError } from "../error.ts";
import type { Report } from "../event.ts";
import type { GuestHook } from "../journal/journal_entry.ts";
import type { Domain } from "../libvirt/domain.ts";
import { guestExec } from "../libvirt/guest_exec.ts";
import type { Virsh } from "../libvirt/virsh.ts";
import type { System } from "../sys/system.ts";

/**
 * Runs a hook of vm-list.yaml in the guest. What goes wrong with it is an answer and no error, for the guest is to
 * be thawed whatever it is.
 *
 * @returns why it did not run well; `undefined` when it did
 */
export async function runHook(
  { system: { clock }, virsh, domain, report }: {
    readonly system: Pick<System, "clock">;
    readonly virsh: Virsh;
    readonly domain: Domain;
    readonly report: Report;
  },
  { argv, timeoutSeconds }: GuestHook,
): Promise<string | undefined> {
  const begun = clock.monotonic();
  try {
    const { code, words } = await guestExec({ virsh, domain, clock }, argv, timeoutSeconds);
    if (code === 0) {
      const ms = Math.round(clock.monotonic() - begun);
      report({ kind: "info", text: `"${argv[0]}" in the guest took ${ms} ms` });
      return undefined;
    }
    const how = code === undefined ? "was ended by a signal" : `ended with status ${code}`;
    return `"${argv[0]}" in the guest ${how}${words && `: ${words}`}`;
  } catch (error) {
    if (!(error instanceof VmbError)) throw error;
    return error.hint === undefined ? error.message : `${error.message} (${error.hint})`;
  }
}
