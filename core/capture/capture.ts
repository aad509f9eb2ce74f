import type { VmbError } from "../error.ts";
import type { NbdClient } from "../nbd/client.ts";
import type { Method } from "../survey/method.ts";

/** How much of the guest's own state the image holds (docs/03-backup). */
export type Consistency = "application" | "filesystem" | "crash" | "offline";

/** How long the agent kept file systems still, in milliseconds. */
export interface FrozenTimes {
  /** The agent's freeze: hooks that the guest itself has for it, flushing, and then the freeze. */
  readonly freezeMs: number;
  /** From the end of the freeze to the begin of the thaw: they surely stood still. */
  readonly heldMs: number;
  /** The agent's thaw, and then the guest's own hooks for it. */
  readonly thawMs: number;
  /** Upper bound of the frozen time: all three. */
  readonly atMostMs: number;
}

/** One disk at the captured instant, ready to be read. */
export interface CapturedDisk {
  readonly target: string;
  /** Lent: whatever is done with it, its socket stays open until the capture is released. */
  readonly client: NbdClient;
}

/**
 * A point in time of all chosen disks of a domain. It lasts, and the guest writes on unhindered, until
 * `release` is called.
 */
export interface Capture {
  readonly method: Exclude<Method, "auto">;
  readonly consistency: Consistency;
  /** The instant, as near as it is known; for a frozen guest the moment just before the thaw. */
  readonly instant: Date;
  /** How long the guest's file systems stood still; `undefined` when they did not. */
  readonly frozen: FrozenTimes | undefined;
  readonly disks: readonly CapturedDisk[];
  /** Throws when the capture no longer is what it was: the domain ended, or was started. */
  assertWhole(): Promise<void>;
  /** What became of the domain, when the run of it that was captured is over; `undefined` while it goes on. */
  ended(): Promise<VmbError | undefined>;
  /**
   * Gives everything back to the domain, and closes the connections when nothing of the domain serves them any
   * more. It may be called twice, and must be called once.
   */
  release(): Promise<void>;
}
