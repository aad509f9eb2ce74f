import { VmbError } from "../error.ts";
import type { Clock } from "../sys/clock.ts";
import type { Domain } from "./domain.ts";
import type { Virsh } from "./virsh.ts";

/** Outcome of asking the guest agent how the file systems are. */
export type FreezeStatus = "frozen" | "thawed";

/** How often a silent agent is asked before it is called that, and the pause between, in milliseconds. */
const asking = { times: 3, pauseMs: 2000 };

/**
 * Why the guest agent cannot freeze the guest; `undefined` when it can. It may be absent, not started yet, hung, cut
 * off, or forbidden to; the words say which, and what cures it.
 *
 * @param timeoutSeconds how long the agent may take for one answer
 */
export async function agentProblem(
  { virsh, clock }: { readonly virsh: Virsh; readonly clock: Clock },
  domain: Domain,
  timeoutSeconds = 5,
): Promise<string | undefined> {
  for (let time = 1;; time++) {
    try {
      // It answers this whenever it answers at all; and what someone else has frozen is not ours to thaw.
      const status = await freezeStatus(virsh, domain, timeoutSeconds);
      return status === "frozen"
        ? `File systems of "${domain.name}" are frozen by someone else`
        : await forbiddenFreeze(virsh, domain, timeoutSeconds);
    } catch (error) {
      if (!(error instanceof VmbError)) return String(error);
      if (time >= asking.times) {
        return error.hint ? `${error.message} (${error.hint})` : error.message;
      }
    }
    // A guest that boots, and an agent that is busy, need a moment.
    await clock.sleep(asking.pauseMs);
  }
}

/** Whether whoever runs the guest has taken the freeze from the agent; one that does not tell has not. */
async function forbiddenFreeze(
  virsh: Virsh,
  domain: Domain,
  timeoutSeconds: number,
): Promise<string | undefined> {
  const info = await agentCommand(virsh, domain, "guest-info", timeoutSeconds).catch(() => {});
  const commands = (info as { supported_commands?: unknown } | undefined)?.supported_commands;
  if (!Array.isArray(commands)) return undefined;
  const freeze = commands.find((command) => command?.name === "guest-fsfreeze-freeze");
  if (freeze === undefined || freeze.enabled !== false) return undefined;
  return `guest-fsfreeze-freeze is disabled in the guest agent of "${domain.name}" (${blockedHint})`;
}

const blockedHint =
  "Allow it in the guest: BLOCK_RPCS or ALLOW_RPCS in /etc/sysconfig/qemu-ga, or --block-rpcs; then restart it";

/** Whether a command to the agent failed before anything was sent: then it did nothing. */
export function isNeverSent(words: string): boolean {
  return /agent is not connected|agent is not configured|not available due to an error/i
    .test(words);
}

/** What cures an agent that does not do what it is told, by what libvirt says of it. */
function agentCure(words: string): string {
  if (/not available due to an error/i.test(words)) {
    return "libvirt gave its link to the agent up: restart qemu-guest-agent in the guest, or libvirt here (VMs run on)";
  }
  if (/has been disabled|not allowed|is disabled/i.test(words)) return blockedHint;
  if (/is not connected/i.test(words)) return "Start the service qemu-guest-agent in the guest";
  if (/is not configured/i.test(words)) {
    return "Give the VM a channel org.qemu.guest_agent.0: virsh edit";
  }
  return "Look for the service qemu-guest-agent in the guest";
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
      hint: agentCure(words),
    });
  }
  return (JSON.parse(completed.stdout) as { return?: unknown }).return;
}
