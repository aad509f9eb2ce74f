/**
 * What a run tells while it works. `core/` reports events; `commands/output/` decides how a
 * terminal, a log file, journald or Bacula's job log shows them.
 */
export type Event =
  /** A phase of the run begins: `capture`, `copy`, `verify`. */
  | { readonly kind: "phase"; readonly phase: string; readonly text: string }
  | { readonly kind: "info"; readonly text: string }
  | { readonly kind: "warning"; readonly text: string; readonly hint?: string | undefined }
  | { readonly kind: "error"; readonly text: string; readonly hint?: string | undefined }
  /** The outcome of one check. */
  | {
    readonly kind: "check";
    readonly name: string;
    readonly outcome: CheckOutcome;
    readonly detail: string;
    readonly hint?: string | undefined;
  }
  /** Bytes done of bytes expected, for one disk target or file. */
  | {
    readonly kind: "progress";
    readonly target: string;
    readonly done: number;
    readonly total: number;
  };

export type CheckOutcome = "ok" | "warning" | "failed" | "skipped";

export type Report = (event: Event) => void;
