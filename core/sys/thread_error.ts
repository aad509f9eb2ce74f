import { type ExitCode, toVmbError, VmbError } from "../error.ts";

/** An error on its way from one thread to another, where classes do not survive. */
export interface ErrorReport {
  readonly message: string;
  readonly code: string;
  readonly exit: ExitCode;
  readonly hint: string | undefined;
}

export function reportError(thrown: unknown, action: string): ErrorReport {
  const error = toVmbError(thrown);
  const isOurs = thrown instanceof VmbError;
  return {
    message: isOurs ? error.message : `${action} failed: ${error.message}`,
    code: isOurs ? error.code : "copy.failed",
    exit: error.exit,
    hint: error.hint,
  };
}

export function revive(report: ErrorReport): VmbError {
  return new VmbError(report.message, report);
}
