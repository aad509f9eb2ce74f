import type { Busy } from "./messages.ts";

/** What a copy waited for most. */
export type Holdup = "source" | "cpu" | "share" | "limit";

export interface HeldBack {
  readonly by: Holdup;
  /** Of the time of the copy, 0 to 1. */
  readonly share: number;
}

/** Where the reading side of a copy spent its time, in milliseconds. */
export interface Waits {
  readonly totalMs: number;
  /** For the bandwidth limit. */
  readonly limitMs: number;
  /** For a free buffer, while most of them were with the source. */
  readonly sourceMs: number;
  /** For a free buffer while most were on their way to the share, and for the end of all writing. */
  readonly sinkMs: number;
}

/** Judges what held a copy back; what is downstream of the reader is the share, or the processors. */
export function heldBack({ totalMs, limitMs, sourceMs, sinkMs }: Waits, busy: Busy): HeldBack {
  const sink: Holdup = busy.storeMs >= busy.digestMs ? "share" : "cpu";
  // What the reader itself computes counts as processor time.
  const cpuMs = totalMs - limitMs - sourceMs - sinkMs;
  const found: [Holdup, number][] = [
    ["limit", limitMs],
    ["source", sourceMs],
    [sink, sinkMs],
    ["cpu", cpuMs + (sink === "cpu" ? sinkMs : 0)],
  ];
  const [by, ms] = found.reduce((most, each) => each[1] > most[1] ? each : most);
  return { by, share: totalMs > 0 ? Math.min(1, ms / totalMs) : 0 };
}

const words: Readonly<Record<Holdup, string>> = {
  source: "the VM's disk",
  cpu: "the processors",
  share: "the share",
  limit: "the bandwidth limit",
};

/** `held back by the share (82 %)` */
export function showHeldBack({ by, share }: HeldBack): string {
  return `held back by ${words[by]} (${Math.round(share * 100)} %)`;
}
