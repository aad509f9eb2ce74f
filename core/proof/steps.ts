import type { CheckOutcome, Report } from "../event.ts";
import type { Clock } from "../sys/clock.ts";
import type { ProofStep, Verdict } from "./proof.ts";

/** How a step went, and what it means for the whole. */
export interface StepResult {
  readonly outcome: CheckOutcome;
  /** What was found, in one sentence without a full stop. */
  readonly detail: string;
  readonly hint?: string | undefined;
  /** Something that was to be shown could not be: neither shown nor refuted. */
  readonly unproven?: boolean;
}

export function stepOk(detail: string): StepResult {
  return { outcome: "ok", detail };
}

export function stepFailed(detail: string, hint?: string): StepResult {
  return { outcome: "failed", detail, hint };
}

export function stepSkipped(detail: string): StepResult {
  return { outcome: "skipped", detail };
}

export function stepUnproven(detail: string, hint?: string): StepResult {
  return { outcome: "warning", detail, hint, unproven: true };
}

/** The steps of a test restore, each timed. */
export class Steps {
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #report: Report;
  readonly #steps: (ProofStep & Pick<StepResult, "unproven">)[] = [];

  constructor(clock: Pick<Clock, "monotonic">, report: Report) {
    this.#clock = clock;
    this.#report = report;
  }

  /** Milliseconds of the clock, to hand to `add`. */
  now(): number {
    return this.#clock.monotonic();
  }

  /** Notes a step that began at `since`. */
  add(name: string, since: number, { outcome, detail, hint, unproven = false }: StepResult): void {
    const seconds = Math.round(this.#clock.monotonic() - since) / 1000;
    this.#steps.push({ name, outcome, detail, seconds, unproven });
    this.#report({ kind: "check", name, outcome, detail: `${detail} (${seconds} s)`, hint });
  }

  /** Runs a step; what it throws goes on to the caller. */
  async run<T>(name: string, work: () => Promise<readonly [T, StepResult]>): Promise<T> {
    const since = this.now();
    const [value, result] = await work();
    this.add(name, since, result);
    return value;
  }

  list(): readonly ProofStep[] {
    return this.#steps.map(({ name, outcome, detail, seconds }) => ({
      name,
      outcome,
      detail,
      seconds,
    }));
  }

  /** A step that failed decides; else one that could not show what it was to show. */
  verdict(): { readonly verdict: Verdict; readonly reason: string } {
    const failed = this.#steps.find(({ outcome }) => outcome === "failed");
    if (failed !== undefined) {
      return { verdict: "fail", reason: `${failed.name}: ${failed.detail}` };
    }
    const unproven = this.#steps.find((step) => step.unproven);
    if (unproven !== undefined) {
      return { verdict: "inconclusive", reason: `${unproven.name}: ${unproven.detail}` };
    }
    return { verdict: "pass", reason: "it boots, and all that was asked of it holds" };
  }
}
