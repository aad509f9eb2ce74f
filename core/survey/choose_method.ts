import type { Method } from "./method.ts";
import type { VmEntry } from "../config/vm_list.ts";
import type { Survey } from "./survey.ts";

/** The method that a backup will use, or why there is none. */
export type MethodChoice =
  | {
    readonly kind: "chosen";
    readonly method: Exclude<Method, "auto">;
    /** Said loudly and recorded: the method is not the one that was wanted. */
    readonly fallback?: string;
    /** Why it is another method than usual, though the image is as good. */
    readonly reason?: string;
  }
  | { readonly kind: "none"; readonly reason: string; readonly hint: string };

/** Chooses how to capture a domain in the state that it is in. */
export function chooseMethod(
  wanted: Method,
  survey: Pick<Survey, "state" | "agentProblem" | "earlyClose">,
  agentPolicy: VmEntry["agent"],
): MethodChoice {
  const { state, agentProblem, earlyClose } = survey;
  if (state === "shut off") {
    if (wanted === "auto" || wanted === "offline") return { kind: "chosen", method: "offline" };
    return {
      kind: "none",
      reason: `it is shut off, and method ${wanted} wants it running`,
      hint: "Start it, or use --method auto or offline",
    };
  }
  if (wanted === "offline") {
    return {
      kind: "none",
      reason: `it is ${state}, and method offline wants it shut off`,
      hint: "Use --method auto, or shut it down first",
    };
  }
  if (state !== "running") {
    return {
      kind: "none",
      reason: `it is ${state}: its disks would hold a moment that no guest agent made safe`,
      hint: "Resume it, or shut it down and use --method offline",
    };
  }
  if (wanted === "snapshot") return { kind: "chosen", method: "snapshot" };
  if (agentProblem === undefined && earlyClose !== undefined) {
    if (wanted === "auto") return { kind: "chosen", method: "snapshot", reason: earlyClose };
    return {
      kind: "none",
      reason: `method quiesce endangers it: ${earlyClose}`,
      hint: "Use --method auto or snapshot; or upgrade QEMU to 8.2.3 or later, and restart the VM",
    };
  }
  if (agentProblem === undefined) return { kind: "chosen", method: "quiesce" };
  if (agentPolicy === "fallback") {
    return {
      kind: "chosen",
      method: "snapshot",
      fallback:
        `The guest agent cannot freeze it (${agentProblem}): falling back to a crash-consistent snapshot`,
    };
  }
  return {
    kind: "none",
    reason: `the guest agent cannot freeze it: ${agentProblem}`,
    hint:
      "Cure that in the guest; or accept crash consistency with agent: fallback in vm-list.yaml",
  };
}
