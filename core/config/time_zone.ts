import { closest } from "./closest.ts";
import type { Parsed } from "./setting_type.ts";

/** Reads the name of a time zone, as it is written in /usr/share/zoneinfo. */
export function parseTimeZone(text: string): Parsed<string> {
  const known = ["UTC", ...Intl.supportedValuesOf("timeZone")];
  if (known.includes(text)) return { value: text };
  const otherCase = known.find((zone) => zone.toLowerCase() === text.toLowerCase());
  if (otherCase === undefined && /^[A-Za-z]+(\/[A-Za-z0-9_+-]+)+$/.test(text)) {
    try {
      // A former name, as Europe/Kiev, is not in the list but still a file of the system.
      new Intl.DateTimeFormat("en", { timeZone: text });
      return { value: text };
    } catch {
      // Then it is no name at all.
    }
  }
  const near = otherCase ?? closest(text, known);
  return {
    reason: "expected a time zone, as Europe/Berlin",
    hint: near === undefined
      ? "List them with: timedatectl list-timezones"
      : `Did you mean "${near}"?`,
  };
}
