import { VmbError } from "../error.ts";
import { isNeverSent } from "../libvirt/agent.ts";
import type { BatchPart } from "../libvirt/batch.ts";
import type { Argv } from "../sys/process.ts";
import { ensureThawed } from "../undo/thaw.ts";
import { runBatch, unfinished } from "./batch_run.ts";
import type { Consistency, FrozenTimes } from "./capture.ts";
import type { CaptureContext } from "./context.ts";
import { runAfterThaw, runBeforeFreeze } from "./guest_hooks.ts";

/** How a command that ran at a captured instant went. */
export interface Window {
  readonly part: BatchPart;
  /** `undefined` when nothing was frozen. */
  readonly frozen: FrozenTimes | undefined;
  /** When the command had ended, by virsh's own times. */
  readonly instant: Date;
  readonly consistency: Exclude<Consistency, "offline">;
}

/**
 * Runs the virsh command that captures, with the guest as still as it can be made: hooks of vm-list.yaml, then
 * freeze, command and thaw in one child process that lives on when we are killed. The thaw is tried whatever came
 * before it, and it is confirmed before anything else is done.
 *
 * Without an agent, or when its freeze fails and the policy accepts that, the instant is only crash-consistent.
 *
 * @throws {VmbError} `capture.freeze`, `capture.guest-hook` when the policy does not accept it; then the command
 *   may have run all the same, and must be undone by the caller. `capture.thaw` when the guest cannot be shown to
 *   be thawed; `capture.unfinished`
 */
export async function runAtInstant(context: CaptureContext, command: Argv): Promise<Window> {
  const { agentAnswers, guestHooks, report } = context;
  const hasHooks = guestHooks.beforeFreeze !== undefined || guestHooks.afterThaw !== undefined;
  if (!agentAnswers) {
    if (hasHooks) report({ kind: "warning", text: "guest_hooks are not run: there is no agent" });
    return await runUnfrozen(context, command);
  }
  if (!hasHooks) return await runFrozen(context, command);
  const problems: string[] = [];
  const before = await runBeforeFreeze(context);
  let window: Window;
  try {
    if (before !== undefined) {
      refuseOrWarn(context, { code: "capture.guest-hook", problem: before, lost: "application" });
      problems.push(before);
    }
    window = await runFrozen(context, command);
  } catch (error) {
    // A guest that may still be frozen runs nothing: recover lets the applications go on after the thaw.
    const isFrozen = error instanceof VmbError &&
      (error.code === unfinished || error.code === "capture.thaw");
    const after = isFrozen ? undefined : await runAfterThaw(context);
    if (after !== undefined) warnOfAfter(context, after);
    throw error;
  }
  const after = await runAfterThaw(context);
  if (after !== undefined) {
    warnOfAfter(context, after);
    problems.push(after);
  }
  const isReady = problems.length === 0 && guestHooks.beforeFreeze !== undefined;
  return isReady && window.consistency === "filesystem"
    ? { ...window, consistency: "application" }
    : window;
}

async function runUnfrozen(context: CaptureContext, command: Argv): Promise<Window> {
  const { parts: [part], startedAt } = await runBatch(context, "capture", [command]);
  return {
    part,
    frozen: undefined,
    instant: new Date(startedAt.getTime() + (part.ms ?? 0)),
    consistency: "crash",
  };
}

async function runFrozen(context: CaptureContext, command: Argv): Promise<Window> {
  const { domain, journal, freezeTimeoutSeconds, system, report } = context;
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
  const [timeout, freeze, part, thaw] = parts;
  const wasSent = !(freeze.failed && isNeverSent(freeze.words));
  // An agent that was late may freeze after it was given up: its own word counts.
  if (wasSent && (freeze.failed || thaw.failed)) await ensureThawed(context);
  await journal.write({ step: "thawed" });
  if (freeze.failed) {
    const problem = `Freeze of the file systems of "${domain.name}" failed: ${freeze.words}`;
    refuseOrWarn(context, { code: "capture.freeze", problem, lost: "filesystem" });
  }
  const doubt = freeze.failed
    ? undefined
    : thaw.failed
    ? `the thaw failed at first: ${thaw.words}`
    : /^Froze 0 /m.test(freeze.words)
    ? "the agent froze no file system"
    : undefined;
  if (doubt !== undefined) {
    report({ kind: "warning", text: `The image is only crash-consistent: ${doubt}` });
  }
  const [freezeMs, heldMs] = [freeze.ms ?? 0, part.ms ?? 0];
  const wholeMs = thaw.failed
    ? system.clock.monotonic() - begun
    : freezeMs + heldMs + (thaw.ms ?? 0);
  return {
    part,
    frozen: freeze.failed ? undefined : {
      freezeMs: Math.ceil(freezeMs),
      heldMs: Math.ceil(heldMs),
      thawMs: Math.ceil(wholeMs - freezeMs - heldMs),
      atMostMs: Math.ceil(wholeMs),
    },
    instant: new Date(startedAt.getTime() + (timeout.ms ?? 0) + freezeMs + heldMs),
    consistency: freeze.failed || doubt !== undefined ? "crash" : "filesystem",
  };
}

/** Ends the capture, or says what the image is not; by the policy of the VM. */
function refuseOrWarn(
  { crashAccepted, report }: CaptureContext,
  { code, problem, lost }: {
    readonly code: string;
    readonly problem: string;
    readonly lost: "application" | "filesystem";
  },
): void {
  if (!crashAccepted) {
    throw new VmbError(problem, {
      code,
      hint: lost === "filesystem"
        ? "Look at qemu-guest-agent in the guest; or accept crash consistency with agent: fallback"
        : "Look at the program in the guest; or accept less with agent: fallback",
    });
  }
  const instead = lost === "filesystem" ? "crash-consistent" : "not application-consistent";
  report({ kind: "warning", text: `${problem}: the image is ${instead}` });
}

function warnOfAfter({ report, domain }: CaptureContext, problem: string): void {
  report({
    kind: "warning",
    text: `after_thaw of guest_hooks failed: ${problem}`,
    hint: `Look whether the applications of "${domain.name}" go on`,
  });
}
