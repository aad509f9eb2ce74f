import { exitCodes, VmbError } from "../error.ts";

/** Program and arguments; never a shell string. */
export type Argv = readonly [program: string, ...args: string[]];

export interface RunOptions {
  readonly stdin?: string | Uint8Array;
  /** Added to the environment; `LC_ALL=C` is always set, because the output is read. */
  readonly env?: Readonly<Record<string, string>>;
  /** The program is killed and the call rejects after this many milliseconds; default 60 s. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
  /** Gets stderr as it comes, besides what the result has of it. */
  readonly onStderr?: (text: string) => void;
  /** Gets stdout as it comes, byte for byte; the result then has none of it. */
  readonly onStdout?: (bytes: Uint8Array) => void;
  /**
   * An abort does not kill the program, but writes this to its stdin, and waits for its end as long as
   * `patienceMs`. It is in a session of its own: Ctrl-C on our terminal is for us to hand on.
   */
  readonly askToStop?: { readonly line: string; readonly patienceMs: number } | undefined;
}

export interface Completed {
  readonly argv: Argv;
  /** Exit status, or 128 + signal number. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program that goes on after the call, and after our own death. */
export interface Daemon {
  readonly pid: number;
  /** Resolves with the exit status (128 + n for a signal); never rejects. */
  readonly exited: Promise<number>;
  kill(signal?: "SIGTERM" | "SIGKILL"): void;
}

/** The door to other programs. */
export interface Processes {
  /**
   * Runs a program to its end, whatever its exit status.
   *
   * @throws {VmbError} `process.missing` when there is no such program, `process.timeout` when it
   *   did not end in time, `process.not-stopped` when it was asked to; the signal's reason when aborted
   */
  run(argv: Argv, options?: RunOptions): Promise<Completed>;
  /**
   * Starts a program in a session of its own with stdout and stderr appended to `logFile`. A signal to
   * our terminal does not reach it, and our death neither closes its output nor ends it.
   */
  start(argv: Argv, logFile: string): Promise<Daemon>;
  /**
   * Starts a program whose lines of stdout are handed to `onLine`, until `stop` is called or it ends.
   */
  follow(
    argv: Argv,
    onLine: (line: string) => void,
  ): { stop(): Promise<void>; exited: Promise<number> };
}

/** Like `run`, but an exit status other than 0 is an error that shows argv and the end of stderr. */
export async function runOk(
  processes: Pick<Processes, "run">,
  argv: Argv,
  options?: RunOptions,
): Promise<Completed> {
  const completed = await processes.run(argv, options);
  if (completed.code !== 0) throw commandFailed(completed);
  return completed;
}

/** The error for a program that ended with a status other than 0. */
export function commandFailed(completed: Completed, hint?: string): VmbError {
  const tail = lastLines(completed.stderr.trim() || completed.stdout.trim(), 5);
  return new VmbError(
    `Command failed with status ${completed.code}: ${showArgv(completed.argv)}${
      tail && `: ${tail}`
    }`,
    { code: "process.failed", hint },
  );
}

/** Shows an argv as a person would type it. */
export function showArgv(argv: readonly string[]): string {
  return argv.map((word) =>
    /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
  )
    .join(" ");
}

function lastLines(text: string, count: number): string {
  return text.split("\n").slice(-count).join(" | ");
}

export const systemProcesses: Processes = { run, start, follow };

async function run(argv: Argv, options: RunOptions = {}): Promise<Completed> {
  const { stdin, env = {}, timeoutMs = 60_000, signal, onStderr, onStdout, askToStop } = options;
  signal?.throwIfAborted();
  const child = spawn(argv, {
    env,
    stdin: stdin === undefined && askToStop === undefined ? "null" : "piped",
    detached: askToStop !== undefined,
  });
  const asked = Promise.withResolvers<string>();
  const input = askToStop === undefined ? stdin : asked.promise;
  const ended = Promise.all([
    child.status,
    text(child.stdout, child.status, undefined, onStdout),
    text(child.stderr, child.status, onStderr),
    input === undefined ? undefined : feed(child, input),
  ]);
  // One that ends by itself was never asked: its input is let go of.
  child.status.then(() => asked.resolve(""));
  const stopped = Promise.withResolvers<never>();
  const giveUp = (code: string, afterMs: number) =>
    setTimeout(() => {
      const text = `No end of '${showArgv(argv)}' within ${afterMs / 1000} s`;
      stopped.reject(new VmbError(text, { code }));
    }, afterMs);
  let timer = giveUp("process.timeout", timeoutMs);
  const abort = () => {
    if (askToStop === undefined) return stopped.reject(signal?.reason);
    clearTimeout(timer);
    timer = giveUp("process.not-stopped", askToStop.patienceMs);
    asked.resolve(askToStop.line);
  };
  signal?.addEventListener("abort", abort, { once: true });
  try {
    const [status, stdout, stderr] = await Promise.race([ended, stopped.promise]);
    return { argv, code: status.code, stdout, stderr };
  } catch (error) {
    killSurely(child);
    ended.catch(() => {});
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

async function start(argv: Argv, logFile: string): Promise<Daemon> {
  // Deno.Command can give a child only pipes, and a pipe breaks when we die: the child would be
  // killed by SIGPIPE in the middle of its work. node:child_process hands over a file.
  const { spawn } = await import("node:child_process");
  const { openSync, closeSync } = await import("node:fs");
  const log = openSync(logFile, "a", 0o600);
  try {
    const child = spawn(argv[0], argv.slice(1), {
      detached: true,
      stdio: ["ignore", log, log],
      env: { ...Deno.env.toObject(), LC_ALL: "C" },
    });
    const exited = new Promise<number>((resolve) => {
      child.on("exit", (code, signal) => resolve(code ?? (signal === "SIGKILL" ? 137 : 143)));
      child.on("error", () => resolve(127));
    });
    const pid = child.pid;
    if (pid === undefined) throw missing(argv);
    return {
      pid,
      exited,
      kill: (signal = "SIGTERM") => void child.kill(signal),
    };
  } finally {
    closeSync(log);
  }
}

function follow(argv: Argv, onLine: (line: string) => void) {
  const child = spawn(argv, { env: {}, stdin: "null", stderr: "null" });
  const reading = (async () => {
    let rest = "";
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      lines.forEach(onLine);
    }
  })();
  const exited = Promise.all([child.status, reading]).then(([status]) => status.code);
  return {
    exited,
    async stop() {
      killSurely(child);
      await exited;
    },
  };
}

function spawn(
  argv: Argv,
  options: {
    readonly env: Readonly<Record<string, string>>;
    readonly stdin: "null" | "piped";
    readonly stderr?: "null" | "piped";
    readonly detached?: boolean;
  },
): Deno.ChildProcess {
  try {
    return new Deno.Command(argv[0], {
      args: argv.slice(1),
      env: { LC_ALL: "C", ...options.env },
      stdin: options.stdin,
      stdout: "piped",
      stderr: options.stderr ?? "piped",
      detached: options.detached ?? false,
    }).spawn();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw missing(argv);
    if (error instanceof Deno.errors.PermissionDenied) {
      throw new VmbError(`No program that may be run: ${argv[0]}`, {
        code: "process.missing",
        exit: exitCodes.missing,
        hint: `Look at the owner and the mode of "${argv[0]}"`,
      });
    }
    throw error;
  }
}

async function feed(
  child: Deno.ChildProcess,
  input: string | Uint8Array | Promise<string>,
): Promise<void> {
  const writer = child.stdin.getWriter();
  const given = await input;
  // A program may end without reading its input; its exit status tells the rest.
  await writer.write(typeof given === "string" ? new TextEncoder().encode(given) : given)
    .catch(() => {});
  await writer.close().catch(() => {});
}

function killSurely(child: Deno.ChildProcess): void {
  const kill = (signal: Deno.Signal) => {
    try {
      child.kill(signal);
    } catch {
      // It has ended by itself.
    }
  };
  kill("SIGTERM");
  const timer = setTimeout(() => kill("SIGKILL"), 2000);
  Deno.unrefTimer(timer);
  child.status.finally(() => clearTimeout(timer));
}

/** How long output may still come after its program has ended, in milliseconds. */
const lateOutputMs = 1000;

/** Reads to the end; a grandchild that keeps the stream open (ssh's ControlPersist) is not waited for. */
async function text(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  status: Promise<Deno.CommandStatus>,
  onText: (text: string) => void = () => {},
  onBytes?: (bytes: Uint8Array) => void,
): Promise<string> {
  const decoder = new TextDecoder();
  const reader = stream.getReader();
  let timer: ReturnType<typeof setTimeout> | undefined;
  status.then(() => {
    timer = setTimeout(() => reader.cancel().catch(() => {}), lateOutputMs);
  });
  let result = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (onBytes !== undefined) {
      onBytes(value);
      continue;
    }
    const text = decoder.decode(value, { stream: true });
    onText(text);
    result += text;
  }
  await status;
  clearTimeout(timer);
  return result + decoder.decode();
}

function missing(argv: Argv): VmbError {
  return new VmbError(`Program not found: ${argv[0]}`, {
    code: "process.missing",
    exit: exitCodes.missing,
    hint: `Install the package that has "${argv[0]}", or put it on the PATH`,
  });
}
