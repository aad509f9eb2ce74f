import { runHook } from "../undo/guest_hook.ts";
import type { CaptureContext } from "./context.ts";

/**
 * Runs the hook before a freeze. From here on the one after the thaw is owed, and the journal says so.
 *
 * @returns why the applications are not ready; `undefined` when they are
 */
export async function runBeforeFreeze(context: CaptureContext): Promise<string | undefined> {
  const { beforeFreeze, afterThaw } = context.guestHooks;
  if (afterThaw !== undefined) await context.journal.write({ step: "guest-hook", hook: afterThaw });
  return beforeFreeze && await runHook(context, beforeFreeze);
}

/** Runs the hook after a thaw, whatever came before it. */
export async function runAfterThaw(context: CaptureContext): Promise<string | undefined> {
  const { afterThaw } = context.guestHooks;
  if (afterThaw === undefined) return undefined;
  const problem = await runHook(context, afterThaw);
  await context.journal.write({ step: "guest-hook-done" });
  return problem;
}
