import { VmbError } from "../error.ts";
import { freezeStatus, thaw } from "../libvirt/agent.ts";
import type { BatchPart } from "../libvirt/batch.ts";
import type { Argv } from "../sys/process.ts";
import { runBatch, unfinished } from "./batch_run.ts";
import type { CaptureContext } from "./context.ts";

/** How a command that ran while the guest stood still went. */
export interface WindowOutcome {
  readonly part: BatchPart;
  /** Upper bound of the frozen time, in milliseconds: freeze, command and thaw together. */
  readonly frozenMs: number;
  /** When the command had ended, by virsh's own times. */
  readonly instant: Date;
  /** Why the guest may not have stood still; `undefined` when it surely did. */
  readonly doubt: string | undefined;
}

/**
 * Freezes the guest's file systems, runs one virsh command, and thaws them, all in one child process that
 * lives on when we are killed. The thaw is tried whatever came before it, and it is checked.
 *
 * @throws {VmbError} `capture.freeze` when the guest did not freeze; then the command may have run all the
 *   same and must be undone by the caller. `capture.thaw` when the guest cannot be shown to be thawed;
 *   `capture.unfinished`
 */
export async function runFrozen(context: CaptureContext, command: Argv): Promise<WindowOutcome> {
  const { domain, journal, freezeTimeoutSeconds, system } = context;
  const begun = system.clock.monotonic();
  await journal.write({ step: "freeze" });
  const { parts, startedAt } = await runBatch(context, "freeze", [
    ["guest-agent-timeout", domain.uuid, `--timeout=${freezeTimeoutSeconds}`],
    ["domfsfreeze", domain.uuid],
    command,
    ["domfsthaw", domain.uuid],
    // Back to libvirt's own default, which is to wait for ever.
    ["guest-agent-timeout", domain.uuid, "--timeout=-2"],
  ]).catch(async (error) => {
    // The process may hang before its thaw: it is worth a try from outside.
    if (error instanceof VmbError && error.code === unfinished) await ensureThawed(context);
    throw error;
  });
  const [timeout, freeze, part, thawed] = parts;
  if (thawed.failed) await ensureThawed(context);
  await journal.write({ step: "thawed" });
  if (freeze.failed) {
    throw new VmbError(`Freeze of the file systems of "${domain.name}" failed: ${freeze.words}`, {
      code: "capture.freeze",
      hint:
        "Look at qemu-guest-agent in the guest; or accept crash consistency with agent: fallback",
    });
  }
  const commandEnd = (timeout.ms ?? 0) + (freeze.ms ?? 0) + (part.ms ?? 0);
  return {
    part,
    frozenMs: thawed.failed
      ? Math.ceil(system.clock.monotonic() - begun)
      : Math.ceil((freeze.ms ?? 0) + (part.ms ?? 0) + (thawed.ms ?? 0)),
    instant: new Date(startedAt.getTime() + commandEnd),
    doubt: thawed.failed
      ? `the thaw failed at first: ${thawed.words}`
      : /^Froze 0 /m.test(freeze.words)
      ? "the agent froze no file system"
      : undefined,
  };
}

/** Seconds that the agent may take for a thaw of its own. */
const thawSeconds = 20;

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
