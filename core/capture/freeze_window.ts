import { VmbError } from "../error.ts";
import { freezeStatus, thaw } from "../libvirt/agent.ts";
import { type BatchPart, readBatch } from "../libvirt/batch.ts";
import type { Argv } from "../sys/process.ts";
import type { CaptureContext } from "./context.ts";

/** How a command that ran while the guest stood still went. */
export interface WindowOutcome {
  readonly part: BatchPart;
  /** Upper bound of the frozen time, in milliseconds: freeze, command and thaw together. */
  readonly frozenMs: number;
  readonly instant: Date;
}

/**
 * Freezes the guest's file systems, runs one virsh command, and thaws them, all in one child process that
 * lives on when we are killed. The thaw is tried whatever came before it, and it is checked.
 *
 * @throws {VmbError} `capture.freeze` when the guest did not freeze; then the command may have run all the
 *   same and must be undone by the caller. `capture.thaw` when the guest cannot be shown to be thawed
 */
export async function runFrozen(context: CaptureContext, command: Argv): Promise<WindowOutcome> {
  const { virsh, domain, journal, freezeTimeoutSeconds, system, stagingFolder } = context;
  const log = `${stagingFolder}/freeze.log`;
  const commands: readonly Argv[] = [
    ["guest-agent-timeout", domain.uuid, `--timeout=${freezeTimeoutSeconds}`],
    ["domfsfreeze", domain.uuid],
    command,
    ["domfsthaw", domain.uuid],
    // Back to libvirt's own default, which is to wait for ever.
    ["guest-agent-timeout", domain.uuid, "--timeout=-2"],
  ];
  await journal.write({ step: "freeze" });
  const child = await virsh.startBatch(commands, log);
  // A hung agent may use its whole time for the freeze and again for the thaw.
  const patience = (2 * freezeTimeoutSeconds + 60) * 1000;
  const waiting = new AbortController();
  try {
    await Promise.race([child.exited, system.clock.sleep(patience, waiting.signal)]);
  } finally {
    waiting.abort();
  }
  const parts = readBatch(commands, await system.files.readText(log));
  const [, freeze, part, thawed] = parts as [BatchPart, BatchPart, BatchPart, BatchPart, BatchPart];
  if (thawed.failed) await ensureThawed(context);
  await journal.write({ step: "thawed" });
  if (freeze.failed) {
    throw new VmbError(`Freeze of the file systems of "${domain.name}" failed: ${freeze.words}`, {
      code: "capture.freeze",
      hint: "Look at qemu-guest-agent in the guest, or use --method snapshot with agent: fallback",
    });
  }
  return {
    part,
    frozenMs: Math.ceil((freeze.ms ?? 0) + (part.ms ?? 0) + (thawed.ms ?? 0)),
    instant: system.clock.now(),
  };
}

/**
 * Thaws until the agent itself says that nothing is frozen. An agent that was late may still freeze the
 * guest after the thaw was given up, so the agent's word counts and not ours.
 *
 * @throws {VmbError} `capture.thaw` when it does not say so within a minute
 */
export async function ensureThawed(
  { virsh, domain, system }: Pick<CaptureContext, "virsh" | "domain" | "system">,
): Promise<void> {
  const until = system.clock.monotonic() + 60_000;
  let last = "";
  do {
    try {
      await thaw(virsh, domain);
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
