import type { NbdClient } from "./client.ts";
import { allocationFlags } from "./protocol.ts";

/** Name of the metadata context that tells which parts of an export read as zeroes. */
export const allocationContext = "base:allocation";

/** A run of an export that is to be read, or that is known to be all zeroes. */
export interface AllocationRun {
  /** Bytes from the start of the export. */
  readonly offset: number;
  /** Bytes; never 0. */
  readonly length: number;
  /** False when the run reads as zeroes, so that reading it can be saved. */
  readonly data: boolean;
}

/**
 * Walks an export from start to end and yields its allocation: runs that adjoin, alternate between data
 * and zeroes, and cover every byte. A client that did not negotiate `base:allocation` yields one run of
 * data.
 *
 * Only `NBD_STATE_ZERO` promises zeroes; the content of an extent with `NBD_STATE_HOLE` alone is
 * undefined and has to be read.
 *
 * @throws {VmbError} as `NbdClient.blockStatus` does; the signal's reason when aborted
 */
export async function* readAllocation(
  client: Pick<NbdClient, "size" | "contexts" | "blockStatus">,
  options: { readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<AllocationRun, void, undefined> {
  const { signal } = options;
  const { size } = client;
  if (!client.contexts.has(allocationContext)) {
    if (size > 0) yield { offset: 0, length: size, data: true };
    return;
  }
  let run: AllocationRun | undefined;
  for (let offset = 0; offset < size;) {
    signal?.throwIfAborted();
    for (const extent of await client.blockStatus(allocationContext, offset, size - offset)) {
      const data = (extent.flags & allocationFlags.NBD_STATE_ZERO) === 0;
      if (run?.data === data) {
        run = { ...run, length: run.length + extent.length };
      } else {
        if (run !== undefined) yield run;
        run = { offset: extent.offset, length: extent.length, data };
      }
      offset = extent.offset + extent.length;
    }
  }
  if (run !== undefined) yield run;
}
