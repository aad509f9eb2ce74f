import type { Event } from "../event.ts";
import { escapedEvent } from "./escaped_event.ts";

/** An event as one line of a log without colour, whatever its texts hold; progress has none. */
export function eventLine(told: Event): string | undefined {
  const event = escapedEvent(told);
  switch (event.kind) {
    case "phase":
      return `== ${event.text}`;
    case "info":
      return event.text;
    case "warning":
      return withHint(`warning: ${event.text}`, event.hint);
    case "error":
      return withHint(`error: ${event.text}`, event.hint);
    case "check":
      return withHint(`check ${event.name}: ${event.outcome}: ${event.detail}`, event.hint);
    case "progress":
      return undefined;
  }
}

function withHint(text: string, hint: string | undefined): string {
  return hint === undefined ? text : `${text} (hint: ${hint})`;
}
