import { exitCodes, VmbError } from "../error.ts";
import {
  type Argv,
  commandFailed,
  type Completed,
  type Daemon,
  type Processes,
  type RunOptions,
} from "../sys/process.ts";

/** One libvirt connection, spoken to through the `virsh` program. */
export interface Virsh {
  readonly uri: string;
  /**
   * Runs one virsh command and returns its stdout.
   *
   * @throws {VmbError} `libvirt.connect` when no libvirt answers, `libvirt.no-domain`, else
   *   `libvirt.failed` with virsh's own words
   */
  run(args: Argv, options?: RunOptions): Promise<string>;
  /** Runs one virsh command whatever its outcome. */
  attempt(args: Argv, options?: RunOptions): Promise<Completed>;
  /**
   * Starts several commands over one connection, in one process that outlives us. A command that fails
   * does not stop those after it; its words and times go to `logFile`.
   */
  startBatch(commands: readonly Argv[], logFile: string): Promise<Daemon>;
  /** The argv of one virsh command, for a program that is followed line by line. */
  argv(args: readonly string[]): Argv;
}

export function openVirsh(processes: Processes, uri: string): Virsh {
  const argv = (args: readonly string[]): Argv => ["virsh", "--quiet", "--connect", uri, ...args];
  return {
    uri,
    argv,
    attempt: (args, options) => processes.run(argv(args), options),
    async run(args, options) {
      const completed = await processes.run(argv(args), options);
      if (completed.code !== 0) throw virshFailed(completed, uri);
      return completed.stdout;
    },
    startBatch(commands, logFile) {
      const text = commands.map((words) => words.map(quoteWord).join(" ")).join("; ");
      // Not quiet: how many file systems were frozen is told only then.
      return processes.start(["virsh", "--connect", uri, "--timing", text], logFile);
    },
  };
}

/** Quotes one word for virsh's own command parser, where a backslash escapes inside double quotes. */
function quoteWord(word: string): string {
  return /^[\w./:=-]+$/.test(word) ? word : `"${word.replace(/["\\]/g, "\\$&")}"`;
}

function virshFailed(completed: Completed, uri: string): VmbError {
  const words = completed.stderr;
  if (
    /failed to connect to the hypervisor|^error: Disconnected from|end of file while/im.test(words)
  ) {
    return new VmbError(`No libvirt answers at ${uri}: ${lastError(words)}`, {
      code: "libvirt.connect",
      exit: exitCodes.missing,
      hint: "Start it (systemctl start virtqemud.socket, or libvirtd), or correct LIBVIRT_URI",
    });
  }
  if (/failed to get domain|domain not found|no domain with matching/i.test(words)) {
    return new VmbError(`No such domain: ${lastError(words)}`, {
      code: "libvirt.no-domain",
      exit: exitCodes.notFound,
    });
  }
  const failure = commandFailed(completed);
  return new VmbError(failure.message, { code: "libvirt.failed" });
}

function lastError(words: string): string {
  const lines = words.trim().split("\n").map((line) => line.replace(/^error:\s*/, ""));
  return lines.at(-1) ?? "";
}
