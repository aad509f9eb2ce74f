import { agentCommand } from "../libvirt/agent.ts";
import { formatBytes } from "../format/bytes.ts";
import { formatDuration } from "../format/duration.ts";
import { bootedSign, deadSign } from "./console_signs.ts";
import type { ProofContext, RunningCopy } from "./context.ts";
import { watchDomain } from "./domain_watch.ts";
import type { BootSign } from "./proof.ts";

/** What became of a guest that was started. */
export type Boot =
  | { readonly kind: "booted"; readonly by: BootSign; readonly detail: string; readonly at: number }
  /** It will not boot any more, or has not in its time. */
  | { readonly kind: "failed"; readonly reason: string; readonly hint?: string }
  /** It did something, and nothing tells what. */
  | { readonly kind: "unclear"; readonly reason: string; readonly hint?: string };

/** Between two looks, in milliseconds, unless libvirt tells that something has happened. */
const lookEvery = 400;
/** The agent is also asked without being announced, and the disks are looked at, this often. */
const askEvery = 2000;
/** An agent comes up within this time after the console says that the system has. */
const agentGrace = 30_000;
/** A guest without agent and console has booted when it has read this much, and then rests. */
const activityBytes = 16 * 2 ** 20;
const restMs = 10_000;

/**
 * Waits until the guest gives a sign of life: the guest agent answers; else its serial console says so; else
 * it reads from its disks and comes to rest.
 *
 * @param consolePatterns what vm-list.yaml waits for on the console
 * @throws the signal's reason when aborted
 */
export async function observeBoot(
  context: ProofContext,
  copy: RunningCopy,
  signal: AbortSignal,
): Promise<Boot> {
  const { system, backup, request, validate, settings, scratchFolder } = context;
  const { clock, files } = system;
  const patterns = validate.flatMap((each) => each.kind === "console" ? [each.pattern] : []);
  const hasAgent = copy.description.agent;
  const answered = ["application", "filesystem"].includes(backup.manifest.consistency);
  const until = copy.startedAt + request.timeoutMs;
  const watch = watchDomain(context);
  let saidAt: { readonly sign: string; readonly at: number } | undefined;
  let asked = Number.NEGATIVE_INFINITY;
  let read = 0;
  let restsSince = clock.monotonic();
  try {
    for (;;) {
      signal.throwIfAborted();
      const now = clock.monotonic();
      const ended = await watch.endOf();
      const console = await readConsole(context, copy);
      const dead = deadSign(console);
      if (dead !== undefined) return { kind: "failed", reason: `its console says: ${dead}` };
      if (ended !== undefined) return { kind: "failed", reason: ended };
      const isDue = now - asked >= askEvery;
      if (hasAgent && (isDue || watch.agentConnected()) && await pings(context)) {
        const at = clock.monotonic();
        return { kind: "booted", by: "guest-agent", detail: "the guest agent answers", at };
      }
      const sign = bootedSign(console, patterns);
      if (sign !== undefined) saidAt ??= { sign, at: clock.monotonic() };
      if (saidAt && (!hasAgent || now - saidAt.at > agentGrace)) {
        const { sign, at } = saidAt;
        return { kind: "booted", by: "console", detail: `its console says: ${sign}`, at };
      }
      if (isDue) {
        asked = now;
        const total = await watch.bytesRead();
        if (total !== read) restsSince = clock.monotonic();
        read = total;
        const { free } = await files.space(scratchFolder);
        if (free < settings.minFreeBytes / 2) {
          return {
            kind: "unclear",
            reason: `it was ended because only ${formatBytes(free)} are free at "${scratchFolder}"`,
            hint: "What a copy writes is kept there: make room, or lower MIN_FREE_GB",
          };
        }
      }
      const rests = read >= activityBytes && clock.monotonic() - restsSince >= restMs;
      if (rests && !hasAgent && patterns.length === 0) {
        const at = restsSince;
        return { kind: "booted", by: "activity", detail: activity(read), at };
      }
      if (now > until) break;
      await watch.next(Math.min(lookEvery, Math.max(1, until - now)), signal);
    }
  } finally {
    await watch.stop();
  }
  const time = formatDuration(request.timeoutMs);
  if (hasAgent && answered) {
    return {
      kind: "failed",
      reason: `the guest agent gave no answer within ${time}; it did when the backup was made`,
      hint: "Look at console.log and screenshot.png beside the proof; --timeout gives it more time",
    };
  }
  if (patterns.length > 0) {
    return { kind: "failed", reason: `its console did not say /${patterns[0]}/ within ${time}` };
  }
  if (read < activityBytes) {
    return { kind: "failed", reason: `no sign of life within ${time}: ${activity(read)}` };
  }
  return { kind: "unclear", reason: `no sign of life within ${time}, though ${activity(read)}` };
}

function activity(read: number): string {
  return `it has read ${formatBytes(read)} of its disks`;
}

async function pings({ virsh, copy }: ProofContext): Promise<boolean> {
  return await agentCommand(virsh, copy, "guest-ping", 2).then(() => true, () => false);
}

/** What the serial console has said; nothing when there is none yet. */
export async function readConsole(
  { system }: Pick<ProofContext, "system">,
  { consoleLog }: Pick<RunningCopy, "consoleLog">,
): Promise<string> {
  return await system.files.readText(consoleLog).catch(() => "");
}
