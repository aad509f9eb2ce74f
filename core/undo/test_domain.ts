import { type Domain, domainState } from "../libvirt/domain.ts";
import type { Virsh } from "../libvirt/virsh.ts";

/**
 * Ends a test copy; it is transient, so that libvirt forgets it then.
 *
 * @returns whether it was there
 */
export async function destroyTestDomain(virsh: Virsh, domain: Domain): Promise<boolean> {
  if (await domainState(virsh, domain) === undefined) return false;
  const done = await virsh.attempt(["destroy", domain.uuid], { timeoutMs: 120_000 });
  if (done.code === 0) return true;
  // It may have ended by itself meanwhile.
  if (await domainState(virsh, domain) === undefined) return true;
  await virsh.run(["destroy", domain.uuid], { timeoutMs: 120_000 });
  return true;
}
