/** The exit codes of `vmb`, as documented in docs/scripting. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  partial: 3,
  config: 4,
  missing: 5,
  problems: 6,
  notFound: 10,
  locked: 11,
  interrupted: 130,
  terminated: 143,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes] | 129;

export interface VmbErrorOptions {
  /** Machine-readable name of the error, stable across releases: `config.unknown-key`. */
  readonly code: string;
  /** Exit code of the process; defaults to 1. */
  readonly exit?: ExitCode;
  /** What the reader can do about it, in one sentence. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
}

/**
 * The one error family. A message is one sentence without a full stop that says which action failed,
 * on what, and what was expected. It is thrown where it happens and printed only by `main.ts`.
 */
export class VmbError extends Error {
  readonly code: string;
  readonly exit: ExitCode;
  readonly hint: string | undefined;

  constructor(message: string, options: VmbErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "VmbError";
    this.code = options.code;
    this.exit = options.exit ?? exitCodes.failed;
    this.hint = options.hint;
  }
}

/** One thing that is wrong in the configuration. */
export interface ConfigProblem {
  /** Path of the file, or the name of the environment variable or flag, that has the problem. */
  readonly source: string;
  /** Line in the file, from 1; absent when the problem has no place in a file. */
  readonly line?: number | undefined;
  /** Column in the line, from 1, in UTF-16 units. */
  readonly column?: number | undefined;
  /** One sentence, without the place. */
  readonly message: string;
  readonly hint?: string | undefined;
}

/**
 * The configuration is invalid. The message has a line for each problem, which starts with its
 * `file:line:col`.
 */
export class ConfigError extends VmbError {
  readonly problems: readonly ConfigProblem[];

  constructor(
    message: string,
    options: {
      code?: string;
      hint?: string | undefined;
      problems?: readonly ConfigProblem[];
    } = {},
  ) {
    super(message, {
      code: options.code ?? "config.invalid",
      exit: exitCodes.config,
      hint: options.hint,
    });
    this.name = "ConfigError";
    this.problems = options.problems ?? [];
  }
}

/** Joins an error with the one of the cleanup after it: both are told, and what to do is about the second. */
export function alsoFailed(first: VmbError, second: VmbError): VmbError {
  return new VmbError(`${first.message}; and then: ${second.message}`, {
    code: first.code,
    exit: first.exit,
    hint: second.hint ?? "Run: vmb hv recover",
    cause: new AggregateError([first, second]),
  });
}

/** The run was asked to stop: by a signal, or by a limit that the run set itself. */
export class CancelledError extends VmbError {
  constructor(signal: "SIGHUP" | "SIGINT" | "SIGTERM") {
    super(`Stopped by ${signal}`, {
      code: "run.cancelled",
      exit: signal === "SIGINT" ? 130 : signal === "SIGHUP" ? 129 : 143,
    });
    this.name = "CancelledError";
  }
}

/** What the system's own errors (errno(3)) want of the reader. */
const systemHints: Readonly<Record<string, string>> = {
  EACCES: "Run it as root, or look at the owner and the mode of the file",
  EPERM: "Run it as root",
  ENOSPC: "Make room on that file system",
  EDQUOT: "The quota of that file system is used up",
  EIO: "The disk or the file server reported an error: look at dmesg on this machine",
  ESTALE: "The file server lost the file: mount the share again",
  EROFS: "The file system is read-only: look at its mount options, and at dmesg",
};

/** Turns whatever was thrown into a `VmbError`, so that one place can print it. */
export function toVmbError(thrown: unknown): VmbError {
  if (thrown instanceof VmbError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const systemCode = (thrown as { code?: unknown } | null)?.code;
  if (typeof systemCode === "string" && /^E[A-Z0-9]+$/.test(systemCode)) {
    return new VmbError(message, {
      code: `system.${systemCode}`,
      hint: systemHints[systemCode],
      cause: thrown,
    });
  }
  return new VmbError(message, { code: "internal", cause: thrown });
}
