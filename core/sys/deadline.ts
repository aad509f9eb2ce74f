import { VmbError } from "../error.ts";

/**
 * Waits for `work`, but not longer than `ms` milliseconds. The work itself cannot be stopped (a
 * system call on a hung NFS mount never returns): it is left behind, and its outcome is ignored.
 *
 * @param what the action, as the message will name it: `Read of the share "/mnt/backup"`
 * @throws {VmbError} `deadline` when the time is over
 */
export async function withDeadline<T>(
  what: string,
  ms: number,
  work: Promise<T>,
  options: { readonly hint?: string } = {},
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(
        new VmbError(`${what} gave no answer within ${ms / 1000} s`, {
          code: "deadline",
          hint: options.hint,
        }),
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
