import { Command } from "@commander-js/extra-typings";

/** Makes a command of the tree: its help ends with the exit codes that it can give, and an example. */
export function newCommand(
  name: string,
  options: {
    readonly summary: string;
    readonly examples: readonly string[];
    /** What each exit code means, beyond those that every command has. */
    readonly exits?: Readonly<Record<number, string>>;
  },
): Command {
  const exits = {
    0: "done",
    1: "failed",
    2: "the command line is wrong",
    4: "the configuration is invalid",
    5: "a program or a privilege is missing",
    ...options.exits,
  };
  const lines = Object.entries(exits).map(([code, text]) => `  ${code.padStart(3)}  ${text}`);
  const examples = options.examples.map((example) => `  ${example}`);
  return new Command(name)
    .description(options.summary)
    .helpCommand(false)
    .showHelpAfterError("(--help shows what can be given)")
    .addHelpText(
      "after",
      `\nExamples:\n${examples.join("\n")}\n\nExit status:\n${lines.join("\n")}`,
    );
}
