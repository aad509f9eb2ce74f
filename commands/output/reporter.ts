import type { CheckOutcome, Event, Report } from "../../core/event.ts";
import { escapedEvent } from "../../core/format/escaped_event.ts";
import { eventLine } from "../../core/format/event_line.ts";
import type { Clock } from "../../core/sys/clock.ts";
import type { Terminal } from "../../core/sys/terminal.ts";
import { advance, noProgress, percentOf, type ProgressState, renderProgress } from "./progress.ts";

/**
 * Shows events on the second stream. On a terminal there is colour, and one line of progress that is
 * written over; else every event is one line, progress only now and then, and under journald each line
 * carries its priority.
 */
export function makeReporter(terminal: Terminal, clock: Clock): Report & { done(): void } {
  const show = terminal.interactive ? interactive(terminal, clock) : plain(terminal, clock);
  return Object.assign(show.report, { done: show.done });
}

function interactive(terminal: Terminal, clock: Clock) {
  let progress: ProgressState = noProgress;
  let shown = false;
  let last = Number.NEGATIVE_INFINITY;
  const clear = () => {
    if (shown) terminal.err("\r\x1b[K");
    shown = false;
  };
  return {
    report(told: Event) {
      const event = escapedEvent(told);
      if (event.kind === "progress") {
        const now = clock.monotonic();
        progress = advance(progress, event, now);
        // Ten times a second is more than an eye follows.
        if (now - last < 100 && event.done < event.total) return;
        last = now;
        terminal.err(`\r${renderProgress(progress, terminal.columns() - 1)}\x1b[K`);
        shown = true;
        return;
      }
      clear();
      if (event.kind === "phase") progress = noProgress;
      terminal.err(`${terminal.colour ? coloured(event) : eventLine(event)}\n`);
    },
    done: clear,
  };
}

/** A line at each tenth of a disk, but not more often than this, in milliseconds. */
const leastPause = 5000;

function plain(terminal: Terminal, clock: Clock) {
  let progress: ProgressState = noProgress;
  const told = new Map<string, { tenth: number; time: number }>();
  return {
    report(said: Event) {
      const event = escapedEvent(said);
      if (event.kind === "phase") {
        progress = noProgress;
        told.clear();
      }
      if (event.kind !== "progress") {
        terminal.err(`${terminal.journald ? `<${priority(event)}>` : ""}${eventLine(event)}\n`);
        return;
      }
      const now = clock.monotonic();
      progress = advance(progress, event, now);
      const tenth = Math.floor(percentOf(event) / 10);
      const before = told.get(event.target);
      if (before === undefined) told.set(event.target, { tenth, time: now });
      else if (tenth > before.tenth && now - before.time >= leastPause) {
        told.set(event.target, { tenth, time: now });
        terminal.err(`${terminal.journald ? "<6>" : ""}${renderProgress(progress, 400)}\n`);
      }
    },
    done: () => {},
  };
}

/** syslog's levels, as sd-daemon(3) writes them. */
function priority(event: Event): number {
  switch (event.kind) {
    case "error":
      return 3;
    case "warning":
      return 4;
    case "phase":
      return 5;
    case "info":
    case "progress":
      return 6;
    case "check":
      return event.outcome === "failed" ? 3 : event.outcome === "warning" ? 4 : 6;
  }
}

const marks: Readonly<Record<CheckOutcome, string>> = {
  ok: "\x1b[32m✓\x1b[0m",
  warning: "\x1b[33m!\x1b[0m",
  failed: "\x1b[31m✗\x1b[0m",
  skipped: "\x1b[2m-\x1b[0m",
};

function coloured(event: Exclude<Event, { kind: "progress" }>): string {
  const hint = "hint" in event && event.hint !== undefined ? `\n  hint: ${event.hint}` : "";
  switch (event.kind) {
    case "phase":
      return `\x1b[1m${event.text}\x1b[0m`;
    case "info":
      return `  ${event.text}`;
    case "warning":
      return `  \x1b[33mwarning:\x1b[0m ${event.text}${hint}`;
    case "error":
      return `  \x1b[31merror:\x1b[0m ${event.text}${hint}`;
    case "check":
      return `  ${marks[event.outcome]} ${event.name}: ${event.detail}${hint}`;
  }
}
