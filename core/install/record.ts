import type { Files } from "../sys/files.ts";
import { below, places } from "./places.ts";
import { type TimerName, timerNames } from "./timers.ts";

/**
 * What we installed on this machine, so that a later installation knows what somebody changed since. It is
 * of root only, and holds digests, no content.
 */
export interface InstallRecord {
  /**
   * For each path the states that are our work. Two while an installation is under way: it may be
   * killed, and then either is there.
   */
  readonly ours: Readonly<Record<string, readonly string[]>>;
  /** For each path the state that was offered, and that somebody did not want. */
  readonly declined: Readonly<Record<string, string>>;
  readonly timers: readonly TimerName[];
}

export const emptyRecord: InstallRecord = { ours: {}, declined: {}, timers: [] };

/** Reads the record; one that is missing or damaged knows nothing, and then every difference is asked about. */
export async function readRecord(files: Files, root: string): Promise<InstallRecord> {
  const path = below(root, places.record);
  if (await files.inspect(path) === undefined) return emptyRecord;
  let value: unknown;
  try {
    value = JSON.parse(await files.readText(path));
  } catch {
    return emptyRecord;
  }
  if (!isObject(value)) return emptyRecord;
  const { ours, declined, timers } = value;
  return {
    ours: entries(ours, (states) => Array.isArray(states) && states.every(isText)),
    declined: entries(declined, isText),
    timers: timerNames.filter((name) => Array.isArray(timers) && timers.includes(name)),
  };
}

/** Writes the record if it says something else than the file does. */
export async function writeRecord(
  files: Files,
  root: string,
  record: InstallRecord,
): Promise<void> {
  const path = below(root, places.record);
  const text = `${JSON.stringify({ schema: 1, ...record }, null, 2)}\n`;
  const present = await files.inspect(path) === undefined ? undefined : await files.readText(path);
  if (present !== text) await files.write(path, text, { mode: 0o600 });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function entries<T>(value: unknown, fits: (each: unknown) => boolean): Record<string, T> {
  const pairs = isObject(value) ? Object.entries(value).filter(([, each]) => fits(each)) : [];
  return Object.fromEntries(pairs) as Record<string, T>;
}
