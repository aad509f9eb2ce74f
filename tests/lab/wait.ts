import { VmbError } from "../../core/error.ts";

export interface WaitOptions {
  /** What is awaited, as the message names it: `an answer of the guest agent`. */
  readonly what: string;
  readonly deadlineMs: number;
  /** Pause between two looks; default 100 ms. */
  readonly everyMs?: number;
  /** Text that explains a failure, such as the end of a console log. */
  readonly evidence?: () => Promise<string>;
}

/**
 * Looks again and again until `look` returns something, and returns it.
 *
 * @throws {VmbError} `lab.wait` when the deadline has passed
 */
export async function waitFor<T>(
  look: () => Promise<T | undefined>,
  { what, deadlineMs, everyMs = 100, evidence }: WaitOptions,
): Promise<T> {
  const end = performance.now() + deadlineMs;
  while (true) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > end) break;
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
  const shown = evidence === undefined ? "" : `\n${await evidence()}`;
  throw new VmbError(`Wait for ${what} is over: nothing within ${deadlineMs / 1000} s${shown}`, {
    code: "lab.wait",
  });
}
