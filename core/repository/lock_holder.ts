import { parseJson } from "../format/bounded_json.ts";

/** Who holds a lock on the share, written into the lock file for whoever meets it. */
export interface LockHolder {
  readonly hypervisor: string;
  readonly pid: number;
  readonly vm: string;
  readonly run: string;
  readonly since: string;
  /** Bacula's; `null` for a run that a person started, `undefined` from a vmb that did not note it. */
  readonly jobId: number | null | undefined;
  /** What it does; a backup when nothing is said. */
  readonly work?: "restore";
}

/**
 * Reads who holds a lock. A holder writes its name after it has the lock, and takes it off before it gives it
 * up, so the name of one that died stays.
 *
 * @returns `undefined` for a lock that nobody holds, and for a text that names nobody
 */
export function parseLockHolder(text: string): LockHolder | undefined {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch {
    return undefined;
  }
  const holder = value as Partial<LockHolder> | null;
  const whole = [holder?.hypervisor, holder?.vm, holder?.run, holder?.since]
    .every((field) => typeof field === "string");
  if (!whole) return undefined;
  const jobId = holder?.jobId;
  const isKnown = jobId === null || Number.isSafeInteger(jobId);
  return { ...value as LockHolder, jobId: isKnown ? jobId : undefined };
}
