import type { BaculaTools } from "./bacula_tools.ts";

/** A daemon of Bacula that a test ends, stops for a while, and starts again. */
export interface Daemon {
  readonly pid: () => number;
  /** Ends it by a signal, and waits for that. */
  end(signal: Deno.Signal): Promise<void>;
  /** Sends a signal that it outlives: SIGSTOP, SIGCONT. */
  signal(signal: Deno.Signal): void;
  /** Starts it again after its end. */
  start(): void;
}

/** Starts a daemon in the foreground; `env` is added to what it needs. */
export function startDaemon(
  tools: BaculaTools,
  program: string,
  config: string,
  { bin, env = {} }: {
    /** Folder of programs that come first on the PATH. */
    readonly bin: string;
    readonly env?: Readonly<Record<string, string>> | undefined;
  },
): Daemon {
  const [command, ...args] = tools.argv(program, "-f", "-P", "-c", config);
  let child = spawn();

  function spawn() {
    return new Deno.Command(command, {
      args,
      env: { PATH: `${bin}:${Deno.env.get("PATH")}`, LC_ALL: "C", ...env },
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
  }

  return {
    pid: () => child.pid,
    async end(signal) {
      try {
        child.kill("SIGCONT");
        child.kill(signal);
      } catch {
        // It has ended.
      }
      await child.status;
    },
    signal: (signal) => child.kill(signal),
    start: () => void (child = spawn()),
  };
}
