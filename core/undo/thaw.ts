import { VmbError } from "../error.ts";
import { freezeStatus, thaw } from "../libvirt/agent.ts";
import type { Domain } from "../libvirt/domain.ts";
import type { Virsh } from "../libvirt/virsh.ts";
import type { System } from "../sys/system.ts";

/** Seconds that the agent may take for a thaw of its own. */
const thawSeconds = 20;

/**
 * Thaws until the agent itself says that nothing is frozen. An agent that was late may still freeze the
 * guest after the thaw was given up, so the agent's word counts and not ours.
 *
 * @throws {VmbError} `capture.thaw` when it does not say so within a minute
 */
export async function ensureThawed(
  { virsh, domain, system }: {
    readonly virsh: Virsh;
    readonly domain: Domain;
    readonly system: Pick<System, "clock">;
  },
): Promise<void> {
  const until = system.clock.monotonic() + 60_000;
  let last = "";
  do {
    try {
      await thaw(virsh, domain, thawSeconds);
      if (await freezeStatus(virsh, domain) === "thawed") return;
      last = "the agent says that they are still frozen";
    } catch (error) {
      last = error instanceof Error ? error.message : String(error);
    }
    await system.clock.sleep(2000);
  } while (system.clock.monotonic() < until);
  throw new VmbError(`Thaw of the file systems of "${domain.name}" is not confirmed: ${last}`, {
    code: "capture.thaw",
    hint:
      `Run: virsh domfsthaw ${domain.uuid}; if the agent is dead, writes in the guest may hang until it is reset`,
  });
}
