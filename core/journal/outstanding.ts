import type { GuestHook, JournalEntry, RestoreStep } from "./journal_entry.ts";

/** What a run has begun and not undone, in no order. */
export interface Outstanding {
  readonly begin: Extract<JournalEntry, { step: "begin" }> | undefined;
  readonly frozen: boolean;
  /** What lets the guest's applications go on. */
  readonly guestHook: GuestHook | undefined;
  readonly backupJob: boolean;
  readonly overlay: Extract<JournalEntry, { step: "overlay" }> | undefined;
  readonly partials: readonly string[];
  readonly testDomain: Extract<JournalEntry, { step: "test-domain" }> | undefined;
  readonly testNetwork: Extract<JournalEntry, { step: "test-network" }> | undefined;
  readonly testTpm: Extract<JournalEntry, { step: "test-tpm" }> | undefined;
  /** In the order in which they were done. */
  readonly restore: readonly RestoreStep[];
  readonly fill: Extract<JournalEntry, { step: "fill" }> | undefined;
  /** A VM is whole, but for what its disks have still to be filled with. */
  readonly restored: boolean;
  readonly kept: boolean;
}

export function outstandingOf(entries: readonly JournalEntry[]): Outstanding {
  let begin: Outstanding["begin"];
  let frozen = false;
  let guestHook: Outstanding["guestHook"];
  let backupJob = false;
  let overlay: Outstanding["overlay"];
  const partials = new Set<string>();
  let testDomain: Outstanding["testDomain"];
  let testNetwork: Outstanding["testNetwork"];
  let testTpm: Outstanding["testTpm"];
  let restore: RestoreStep[] = [];
  let fill: Outstanding["fill"];
  let restored = false;
  let kept = false;
  for (const entry of entries) {
    switch (entry.step) {
      case "begin":
        begin = entry;
        break;
      case "freeze":
      case "thawed":
        frozen = entry.step === "freeze";
        break;
      case "guest-hook":
        guestHook = entry.hook;
        break;
      case "guest-hook-done":
        guestHook = undefined;
        break;
      case "backup-job":
      case "backup-job-ended":
        backupJob = entry.step === "backup-job";
        break;
      case "overlay":
        overlay = entry;
        break;
      case "overlay-gone":
        overlay = undefined;
        break;
      case "partial":
        partials.add(entry.path);
        break;
      case "partial-gone":
        partials.delete(entry.path);
        break;
      case "test-domain":
        testDomain = entry;
        break;
      case "test-domain-gone":
        testDomain = undefined;
        break;
      case "test-network":
        testNetwork = entry;
        break;
      case "test-network-gone":
        testNetwork = undefined;
        break;
      case "test-tpm":
        testTpm = entry;
        break;
      case "test-tpm-gone":
        testTpm = undefined;
        break;
      case "restore-file":
      case "set-aside":
      case "restore-domain":
        restore.push(entry);
        break;
      case "fill":
      case "filled":
        fill = entry.step === "fill" ? entry : undefined;
        break;
      case "restored":
      case "restore-undone":
        restore = [];
        restored = entry.step === "restored";
        break;
      case "kept":
        kept = true;
        break;
    }
  }
  return {
    begin,
    frozen,
    guestHook,
    backupJob,
    overlay,
    partials: [...partials],
    testDomain,
    testNetwork,
    testTpm,
    restore,
    fill,
    restored,
    kept,
  };
}
