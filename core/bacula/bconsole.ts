import { VmbError } from "../error.ts";
import type { Argv, Processes } from "../sys/process.ts";
import { splitAnswers } from "./console_answers.ts";

/** A console of the Director. */
export interface Bconsole {
  /**
   * Says commands in one session.
   *
   * @param commands lines made by `consoleLine`
   * @returns what the Director answered to each, without its chatter
   * @throws {VmbError} `bacula.unreachable`; `bacula.answer` when the Director asked back
   */
  say(...commands: readonly string[]): Promise<readonly string[]>;
}

export interface ConsoleAccess {
  readonly processes: Pick<Processes, "run">;
  /** The program and its arguments: bconsole itself, or what brings it into a container. */
  readonly argv: Argv;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds that one session may take; default 2 min: the Director looks for its catalog for 30 s. */
  readonly timeoutMs?: number;
}

/** The console that may do all, in the container of the Director. */
export const consoleInContainer = inContainer("bconsole.conf");

/** The console that can only look, in the container of the Director. */
export const monitorInContainer = inContainer("monitor.conf");

function inContainer(config: string): Argv {
  const bconsole = ["bconsole", "-n", "-c", `/etc/vmb-bacula/${config}`];
  return ["podman", "exec", "-i", "vmb-director", ...bconsole];
}

/** bconsole of this machine. */
export function consoleHere(config: string): Argv {
  return ["bconsole", "-n", "-c", config];
}

/** Makes the way to a console; nothing is run before the first `say`. */
export function openBconsole({ processes, argv, signal, timeoutMs }: ConsoleAccess): Bconsole {
  return {
    async say(...commands) {
      const { code, stdout, stderr } = await processes.run(argv, {
        stdin: [...commands, "quit", ""].join("\n"),
        timeoutMs: timeoutMs ?? 120_000,
        signal,
      }).catch((error) => {
        throw error instanceof VmbError && error.code === "process.timeout"
          ? unreachable("it gave no answer in time", argv)
          : error;
      });
      // The exit status says little: 0 also for a command that failed, and podman has its own.
      if (code !== 0 || !/^1000 OK: /m.test(stdout)) {
        throw unreachable(lastLine(stderr) ?? lastLine(stdout) ?? `status ${code}`, argv);
      }
      const [, problem] = /^(Could not open catalog .*)$/m.exec(stdout) ?? [];
      if (problem !== undefined) throw noCatalog(problem);
      return splitAnswers(stdout, commands);
    },
  };
}

/** A console that is not asked again when it gave no answer: each question would take its minutes. */
export function givingUp(bconsole: Bconsole): Bconsole {
  let failure: VmbError | undefined;
  return {
    async say(...commands) {
      if (failure !== undefined) throw failure;
      try {
        return await bconsole.say(...commands);
      } catch (error) {
        if (error instanceof VmbError && error.code === "bacula.unreachable") failure = error;
        throw error;
      }
    },
  };
}

function unreachable(why: string, [program]: Argv): VmbError {
  return new VmbError(`Bacula's Director cannot be asked: ${why}`, {
    code: "bacula.unreachable",
    hint: program === "podman"
      ? "Look at: journalctl -u vmb-director; then run: vmb ctl fix"
      : "Is the Director up, and is this console's configuration that of the site?",
  });
}

function noCatalog(problem: string): VmbError {
  return new VmbError(`Bacula's Director cannot reach its catalog: ${problem}`, {
    code: "bacula.unreachable",
    hint: "Does the database run? systemctl status vmb-postgres",
  });
}

function lastLine(text: string): string | undefined {
  return text.trim().split("\n").at(-1)?.trim() || undefined;
}
