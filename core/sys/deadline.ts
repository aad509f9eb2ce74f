import { VmbError } from "../error.ts";

const unknownCode = "share.outcome-unknown";

/**
 * Whether a change gave no answer in time: it may happen yet. What it was about is left alone in this process, and
 * judged later, from what is there.
 */
export function isOutcomeUnknown(error: unknown): boolean {
  return error instanceof VmbError && error.code === unknownCode;
}

/**
 * Waits for `work`, but not longer than `ms` milliseconds. The work itself cannot be stopped (a
 * system call on a hung NFS mount never returns): it is left behind, and its outcome is ignored.
 *
 * @param what the action, as the message will name it: `Read of the share "/mnt/backup"`
 * @param options.changes the work changes something: that it gave no answer does not say whether it did so, or
 *   will do so yet
 * @throws {VmbError} `deadline` when the time is over, `share.outcome-unknown` for work that changes something
 */
export async function withDeadline<T>(
  what: string,
  ms: number,
  work: Promise<T>,
  options: { readonly hint?: string; readonly changes?: boolean } = {},
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const { hint, changes = false } = options;
      const words = `${what} gave no answer within ${ms / 1000} s`;
      reject(
        changes
          ? new VmbError(`${words}: whether it happens is not known yet`, {
            code: unknownCode,
            hint,
          })
          : new VmbError(words, { code: "deadline", hint }),
      );
    }, ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
    work.catch(() => {});
  }
}
