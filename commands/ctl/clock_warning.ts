import { nextClockChange, showClockChange } from "../../core/config/cycle_clock.ts";
import type { Site } from "../../core/config/site.ts";
import type { CommandContext } from "../context.ts";

/** Warns of a cycle that begins in an hour that the clocks skip or repeat some day. */
export function warnOfClockChange(
  { report, system: { clock } }: CommandContext,
  { cycle, timeZone }: Pick<Site, "cycle" | "timeZone">,
): void {
  const change = nextClockChange(cycle, timeZone, clock.now());
  if (change === undefined) return;
  report({
    kind: "warning",
    text: showClockChange(change),
    hint: "Give cycle.start in site.yaml a time that each day has once, as noon",
  });
}
