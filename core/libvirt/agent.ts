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
    // It answers this whenever it answers at all; and what someone else has frozen is not ours to thaw.
    if (await freezeStatus(virsh, domain, timeoutSeconds) === "thawed") return undefined;
    return `File systems of "${domain.name}" are frozen by someone else`;
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
export async function thaw(virsh: Virsh, domain: Domain, timeoutSeconds: number): Promise<void> {
  // Without a limit, an agent that dies in the middle would hold libvirt's job on the domain for ever.
  await virsh.run(["guest-agent-timeout", domain.uuid, `--timeout=${timeoutSeconds}`]);
  try {
    await virsh.run(["domfsthaw", domain.uuid], { timeoutMs: (timeoutSeconds + 20) * 1000 });
  } finally {
    await virsh.attempt(["guest-agent-timeout", domain.uuid, "--timeout=-2"]);
  }
}

/**
 * Sends a command to the guest agent and returns what it returned (QEMU, docs/interop/qemu-ga-ref).
 *
 * @throws {VmbError} `libvirt.agent` when it does not answer, or refuses
 */
export async function agentCommand(
  virsh: Virsh,
  domain: Domain,
  command: string,
  timeoutSeconds: number,
  args?: Readonly<Record<string, unknown>>,
): Promise<unknown> {
  const completed = await virsh.attempt(
    [
      "qemu-agent-command",
      domain.uuid,
      JSON.stringify({ execute: command, ...(args && { arguments: args }) }),
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
