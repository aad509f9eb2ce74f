import type { Event } from "../event.ts";
import { escaped } from "./escaped.ts";

/** An event whose texts are one line each, and do nothing to who reads them: see `escaped`. */
export function escapedEvent(event: Event): Event {
  const hint = "hint" in event && event.hint !== undefined ? { hint: escaped(event.hint) } : {};
  switch (event.kind) {
    case "phase":
    case "info":
    case "warning":
    case "error":
      return { ...event, text: escaped(event.text), ...hint };
    case "check":
      return { ...event, name: escaped(event.name), detail: escaped(event.detail), ...hint };
    case "progress":
      return { ...event, target: escaped(event.target) };
  }
}
