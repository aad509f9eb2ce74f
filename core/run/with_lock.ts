import { toVmbError } from "../error.ts";
import type { RepositoryLock } from "../repository/lock.ts";
import { withDeadline } from "../sys/deadline.ts";
import type { Run } from "./open_run.ts";

/**
 * Does something under a lock of the share. That the lock is not given back in time is no failure of what was
 * done: the file server frees it when this process ends.
 *
 * @param lock `undefined` where none can be had: on a share that is read-only here
 */
export async function withLock<T>(
  { shareTimeoutMs, report }: Pick<Run, "shareTimeoutMs" | "report">,
  lock: RepositoryLock | undefined,
  body: () => Promise<T>,
): Promise<T> {
  try {
    return await body();
  } finally {
    const releasing = lock?.release() ?? Promise.resolve();
    await withDeadline("Release of the lock", shareTimeoutMs, releasing).catch((error) =>
      report({ kind: "warning", text: toVmbError(error).message })
    );
  }
}
