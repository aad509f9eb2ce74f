import { toVmbError, VmbError } from "../error.ts";
import { formatDuration } from "../format/duration.ts";
import { type Boot, observeBoot } from "./boot.ts";
import { compareContent, showCompared } from "./content.ts";
import type { ProofContext, RunningCopy } from "./context.ts";
import { askAddresses, askFileSystems, askSystem } from "./guest_report.ts";
import type { BootSign, Proof } from "./proof.ts";
import { type Screenshot, takeScreenshot } from "./screenshot.ts";
import type { Staged } from "./stage.ts";
import { stepFailed, stepOk, type StepResult, stepUnproven } from "./steps.ts";
import { validateCopy, validationName } from "./validate.ts";

/** What was found out of a running copy. */
export interface Examination {
  /** Of the clock that never jumps; `undefined` when it did not boot. */
  readonly bootedAt: number | undefined;
  readonly bootedBy: BootSign | null;
  readonly compared: Proof["compared"];
  readonly system: string | null;
  readonly fileSystems: readonly string[];
  readonly addresses: readonly string[];
  readonly screenshot: Screenshot | undefined;
}

/** Faults of the backup, not of this hypervisor or of the way to the share. */
const damageCodes = [
  "proof.backup",
  "proof.content",
  "tpm.archive",
  "image.foreign",
  "block-map.invalid",
  "nbd.remote",
  "capture.export",
];

/** What an error of a step says of the backup. */
export function judgeError(thrown: unknown): StepResult {
  const { code, message, hint } = toVmbError(thrown);
  return damageCodes.includes(code) ? stepFailed(message, hint) : stepUnproven(message, hint);
}

/** Watches a copy boot while its content is compared, and then asks it all that there is to ask. */
export async function examineCopy(
  context: ProofContext,
  running: RunningCopy,
  staged: Pick<Staged, "exports" | "compared">,
): Promise<Examination> {
  const { steps, validate, request } = context;
  const since = steps.now();
  const damage = new AbortController();
  const comparing = request.fullCopy
    ? Promise.resolve(staged.compared)
    : compareContent(context, staged.exports);
  // Once the content is known to be damaged, nobody needs to wait for the guest.
  comparing.catch((error) => damage.abort(error));
  const boot = await observe(context, running, damage.signal);
  const bootedAt = boot?.kind === "booted" ? boot.at : undefined;
  if (boot !== undefined) steps.add("boot", running.startedAt, showBoot(boot, running));
  let compared: Proof["compared"] = [];
  try {
    compared = await comparing;
    steps.add("content", since, stepOk(`as backed up: ${showCompared(compared)}`));
  } catch (error) {
    context.signal.throwIfAborted();
    steps.add("content", since, judgeError(error));
  }
  const asked = boot?.kind === "booted"
    ? await ask(context, running, boot.by)
    : { system: null, fileSystems: [], addresses: [] };
  if (boot?.kind === "booted") {
    for (const validation of validate) {
      const begun = steps.now();
      const result = await validateCopy(context, running, validation, asked.addresses)
        .catch((error) => {
          context.signal.throwIfAborted();
          return stepFailed(toVmbError(error).message);
        });
      steps.add(validationName(validation), begun, result);
    }
    judgeActivity(context, boot.by, validate.length > 0);
  }
  const screenshot = await steps.run("screenshot", () => takeScreenshot(context));
  const bootedBy = boot?.kind === "booted" ? boot.by : null;
  return { bootedAt, bootedBy, compared, ...asked, screenshot };
}

async function observe(
  context: ProofContext,
  running: RunningCopy,
  damage: AbortSignal,
): Promise<Boot | undefined> {
  try {
    return await observeBoot(context, running, AbortSignal.any([context.signal, damage]));
  } catch (error) {
    context.signal.throwIfAborted();
    if (damage.aborted) return undefined;
    throw error;
  }
}

function showBoot(boot: Boot, { startedAt }: RunningCopy): StepResult {
  switch (boot.kind) {
    case "booted":
      return stepOk(`${boot.detail}, ${formatDuration(boot.at - startedAt)} after its start`);
    case "failed":
      return stepFailed(boot.reason, boot.hint);
    case "unclear":
      return stepUnproven(boot.reason, boot.hint);
  }
}

async function ask(
  context: ProofContext,
  running: RunningCopy,
  by: BootSign,
): Promise<Pick<Examination, "system" | "fileSystems" | "addresses">> {
  const { steps } = context;
  let system: string | null = null;
  let fileSystems: readonly string[] = [];
  if (by === "guest-agent") {
    system = await steps.run("system", () => askSystem(context));
    fileSystems = await steps.run("file-systems", () => askFileSystems(context));
  } else if (running.description.agent) {
    steps.add("guest-agent", steps.now(), {
      outcome: "warning",
      detail: "it has a channel for the guest agent, and no answer comes from it",
    });
  }
  const { network } = running;
  const addresses = network
    ? await steps.run("address", () => askAddresses(context, running, network))
    : [];
  return { system, fileSystems, addresses };
}

/** A guest that only reads may be an installer that waits, or a system that repairs itself. */
function judgeActivity({ steps }: ProofContext, by: BootSign, isValidated: boolean): void {
  if (by !== "activity" || isValidated) return;
  steps.add(
    "sign-of-life",
    steps.now(),
    stepUnproven(
      "neither an agent nor a console says that it has booted",
      "Look at screenshot.png; or give it validate: [{ tcp: 443 }] in vm-list.yaml",
    ),
  );
}

/** Whether an error ends the run without any verdict. */
export function isNoVerdict(thrown: unknown, signal: AbortSignal): boolean {
  return signal.aborted || !(thrown instanceof VmbError) ||
    ["process.missing", "libvirt.connect"].includes(thrown.code) ||
    thrown.code.startsWith("journal.");
}
