import { VmbError } from "../error.ts";
import type { Domain } from "./domain.ts";
import type { Virsh } from "./virsh.ts";

/** Outcome of asking the guest agent how the file systems are. */
export type FreezeStatus = "frozen" | "thawed";

/**
 * Whether the guest agent answers. It may be absent, not started yet, or hung; the words say which.
 *
 * @param timeoutSeconds how long the agent may take
 */
export async function agentProblem(
  virsh: Virsh,
  domain: Domain,
  timeoutSeconds = 5,
): Promise<string | undefined> {
  try {
    await agentCommand(virsh, domain, "guest-ping", timeoutSeconds);
    return undefined;
  } catch (error) {
    return error instanceof VmbError ? error.message : String(error);
  }
}

/** Asks the agent whether file systems are frozen; it answers this even while they are. */
export async function freezeStatus(
  virsh: Virsh,
  domain: Domain,
  timeoutSeconds = 5,
): Promise<FreezeStatus> {
  const answer = await agentCommand(virsh, domain, "guest-fsfreeze-status", timeoutSeconds);
  return answer === "frozen" ? "frozen" : "thawed";
}

/**
 * Thaws the file systems through libvirt, which keeps book of a freeze; thawing what is not frozen is no
 * error.
 */
export async function thaw(virsh: Virsh, domain: Domain): Promise<void> {
  await virsh.run(["domfsthaw", domain.uuid], { timeoutMs: 90_000 });
}

/** Sends a command without arguments to the guest agent (QEMU, docs/interop/qemu-ga-ref). */
async function agentCommand(
  virsh: Virsh,
  domain: Domain,
  command: string,
  timeoutSeconds: number,
): Promise<unknown> {
  const completed = await virsh.attempt(
    [
      "qemu-agent-command",
      domain.uuid,
      JSON.stringify({ execute: command }),
      "--timeout",
      String(timeoutSeconds),
    ],
    { timeoutMs: (timeoutSeconds + 20) * 1000 },
  );
  if (completed.code !== 0) {
    const words = completed.stderr.trim().replace(/^error:\s*/gm, "").split("\n")[0] ?? "";
    throw new VmbError(`Guest agent of "${domain.name}" does not do ${command}: ${words}`, {
      code: "libvirt.agent",
      hint: "Look for the service qemu-guest-agent in the guest",
    });
  }
  return (JSON.parse(completed.stdout) as { return?: unknown }).return;
}
