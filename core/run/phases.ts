import type { Report } from "../event.ts";
import type { Clock } from "../sys/clock.ts";

/** Tells where the time of a run goes. */
export interface Phases {
  /** Ends the phase before, and begins another. */
  begin(phase: string, text: string): void;
  /** The phase that runs now. */
  current(): string;
  /** Seconds of each phase, in the order in which they began; the running one counts so far. */
  seconds(): Record<string, number>;
}

export function startPhases(clock: Clock, report: Report): Phases {
  const ended = new Map<string, number>();
  let name = "start";
  let since = clock.monotonic();
  const elapsed = () => (clock.monotonic() - since) / 1000;
  const note = () => ended.set(name, round((ended.get(name) ?? 0) + elapsed()));
  return {
    begin(phase, text) {
      note();
      name = phase;
      since = clock.monotonic();
      report({ kind: "phase", phase, text });
    },
    current: () => name,
    seconds: () => ({
      ...Object.fromEntries(ended),
      [name]: round((ended.get(name) ?? 0) + elapsed()),
    }),
  };
}

function round(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}
