import { CommanderError } from "commander";
import { type Configuration, loadConfiguration } from "../core/config/configuration.ts";
import { CancelledError, ConfigError, exitCodes, toVmbError, VmbError } from "../core/error.ts";
import { escaped, escapedText } from "../core/format/escaped.ts";
import type { System } from "../core/sys/system.ts";
import type { Terminal } from "../core/sys/terminal.ts";
import type { CommandContext } from "./context.ts";
import { escapingTerminal } from "./output/escaping_terminal.ts";
import { makeReporter } from "./output/reporter.ts";
import { makeProgram } from "./program.ts";

/** Runs one command line, and returns the exit code. All errors end here, and are printed here. */
export async function runMain(
  system: System,
  rawTerminal: Terminal,
  { version, args }: { readonly version: string; readonly args: readonly string[] },
): Promise<number> {
  const terminal = escapingTerminal(rawTerminal);
  const stop = new AbortController();
  const interrupted = Promise.withResolvers<never>();
  interrupted.promise.catch(() => {});
  let shielded: string | undefined;
  const unlisten = system.host.onStopSignal((signal) => {
    if (stop.signal.aborted) return;
    if (shielded !== undefined) terminal.err(`\nvmb: ${signal}: ${shielded}\n`);
    const error = new CancelledError(signal);
    stop.abort(error);
    if (shielded === undefined) interrupted.reject(error);
  });
  const reporter = makeReporter(rawTerminal, system.clock);
  let printed = false;
  const context: CommandContext = {
    system,
    terminal,
    version,
    signal: stop.signal,
    shield: (meanwhile = "undoing what was begun") => void (shielded = meanwhile),
    report: reporter,
    async configuration(flags = {}): Promise<Configuration> {
      const configuration = await loadConfiguration(system, { flags });
      for (const text of configuration.warnings) reporter({ kind: "warning", text });
      return configuration;
    },
    result(json, value, text) {
      reporter.done();
      printed = true;
      terminal.out(json ? `${JSON.stringify(value, null, 2)}\n` : text());
    },
  };
  try {
    const program = makeProgram(context).parseAsync(args, { from: "user" });
    await Promise.race([program, interrupted.promise]);
    return exitCodes.ok;
  } catch (thrown) {
    reporter.done();
    const isWords = thrown instanceof CommanderError;
    if (isWords && thrown.exitCode === 0) return exitCodes.ok;
    const error = isWords ? usageError(thrown) : toVmbError(thrown);
    // What is wrong with a command line was printed, with the way to its help.
    if (!isWords) printError(terminal, error);
    // Whoever reads JSON gets an error as JSON too, unless the result was printed before it.
    if (args.includes("--json") && !printed) {
      const { code, message, hint = null, exit } = error;
      terminal.out(`${JSON.stringify({ error: { code, message, hint, exit } }, null, 2)}\n`);
    }
    return error.exit;
  } finally {
    unlisten();
  }
}

function usageError({ message }: CommanderError): VmbError {
  return new VmbError(message.replace(/^error: /, ""), {
    code: "usage.command",
    exit: exitCodes.usage,
    hint: "--help shows what can be given",
  });
}

function printError(terminal: Terminal, error: VmbError): void {
  // The problems of a configuration are a line each; no other text makes lines.
  const show = error instanceof ConfigError ? escapedText : escaped;
  terminal.err(`vmb: ${show(error.message)}\n`);
  if (error.hint !== undefined) terminal.err(`  hint: ${show(error.hint)}\n`);
  if (error.code === "internal" && error.cause instanceof Error) {
    terminal.err(`  this is a fault of vmb itself:\n${error.cause.stack ?? ""}\n`);
  }
}
