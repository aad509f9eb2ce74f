import { slots } from "../at_once.ts";
import { type CheckOutcome, type Report } from "../event.ts";
import { exitCodes, toVmbError, VmbError } from "../error.ts";

/** One thing that must be so. */
export interface Check {
  /** Short and stable: `share-mounted`. */
  readonly name: string;
  run(): Promise<CheckVerdict> | CheckVerdict;
}

export interface CheckVerdict {
  readonly outcome: CheckOutcome;
  /** What was found, in one sentence without a full stop. */
  readonly detail: string;
  readonly hint?: string | undefined;
}

export interface CheckResult extends CheckVerdict {
  readonly name: string;
}

export function passed(detail: string): CheckVerdict {
  return { outcome: "ok", detail };
}

export function failed(detail: string, hint?: string): CheckVerdict {
  return { outcome: "failed", detail, hint };
}

export function warned(detail: string, hint?: string): CheckVerdict {
  return { outcome: "warning", detail, hint };
}

/**
 * Runs checks side by side and reports them in their order; one that throws has failed, and the rest still
 * run.
 *
 * @param options.missing with "failed", a program that is not there is a finding of the check that wants it
 * @param options.limit of checks that run at once
 * @throws {VmbError} that a program is missing (exit 5): without it nothing can be said at all
 */
export async function runChecks(
  checks: readonly Check[],
  report: Report,
  { missing = "throws", limit = checks.length }: {
    readonly missing?: "throws" | "failed";
    readonly limit?: number;
  } = {},
): Promise<readonly CheckResult[]> {
  const inTurn = slots(limit);
  const running = checks.map(async (check) => ({
    name: check.name,
    ...await inTurn(() => verdictOf(check, missing)),
  }));
  const ended = Promise.allSettled(running);
  const results: CheckResult[] = [];
  try {
    for (const check of running) {
      const result = await check;
      results.push(result);
      report({ kind: "check", ...result, hint: result.hint });
    }
  } finally {
    await ended;
  }
  return results;
}

async function verdictOf(check: Check, missing: "throws" | "failed"): Promise<CheckVerdict> {
  try {
    return await check.run();
  } catch (thrown) {
    const error = toVmbError(thrown);
    if (error.exit === exitCodes.missing && missing === "throws") throw error;
    return failed(error.message, error.hint);
  }
}

/**
 * @param what which checks they were: `Checks before the backup of "x"`
 * @throws {VmbError} `checks.failed` (exit 6) that names the first check that failed, and counts the rest
 */
export function assertPassed(what: string, results: readonly CheckResult[]): void {
  const failures = results.filter(({ outcome }) => outcome === "failed");
  const [first] = failures;
  if (first === undefined) return;
  const others = failures.length === 1
    ? ""
    : `; also ${failures.slice(1).map(({ name }) => name).join(", ")}`;
  throw new VmbError(`${what} failed: ${first.name}: ${first.detail}${others}`, {
    code: "checks.failed",
    exit: exitCodes.problems,
    hint: first.hint,
  });
}
