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
  const systemCode = (thrown as { code?: unknown } | null)?.code;
  return {
    message: isOurs ? error.message : `${action} failed: ${error.message}`,
    code: isOurs ? error.code : "copy.failed",
    exit: error.exit,
    hint: isOurs ? error.hint : hintFor(systemCode),
  };
}

export function revive(report: ErrorReport): VmbError {
  return new VmbError(report.message, report);
}

function hintFor(systemCode: unknown): string | undefined {
  switch (systemCode) {
    case "ENOSPC":
      return "The share is full: make room there, or let retention do it";
    case "EDQUOT":
      return "The quota of the share is used up";
    case "EIO":
    case "ESTALE":
      return "The file server reported an error: look at it, then at dmesg on this machine";
    default:
      return undefined;
  }
}
