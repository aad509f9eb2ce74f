import { openVirsh, type Virsh } from "../../../core/libvirt/virsh.ts";
import type { Argv, Daemon, Processes } from "../../../core/sys/process.ts";

/** What a command answers: its stdout, or how it failed. */
export type Said = string | { readonly code: number; readonly stderr: string };

export interface ScriptedVirsh extends Virsh {
  /** The words of every command so far. */
  readonly asked: readonly (readonly string[])[];
}

/**
 * The real `virsh` door over a program that answers as a test says, by the first word of each command. A
 * command that the script does not know is an error.
 *
 * @param batch what a batch writes to its log, and when it ends
 */
export function scriptedVirsh(
  answers: Readonly<Record<string, (words: readonly string[]) => Said | Promise<Said>>>,
  batch: (commands: string, logFile: string) => Promise<Daemon> = () =>
    Promise.reject(new Error("no batch was expected")),
): ScriptedVirsh {
  const asked: (readonly string[])[] = [];
  const processes: Processes = {
    async run(argv: Argv) {
      const words = argv.slice(argv.indexOf("scripted:///") + 1);
      asked.push(words);
      const answer = answers[words[0] ?? ""];
      if (answer === undefined) throw new Error(`nobody expected: virsh ${words.join(" ")}`);
      const said = await answer(words);
      return typeof said === "string"
        ? { argv, code: 0, stdout: said, stderr: "" }
        : { argv, code: said.code, stdout: "", stderr: said.stderr };
    },
    start(argv, logFile) {
      const commands = argv.at(-1) ?? "";
      asked.push(["batch", commands]);
      return batch(commands, logFile);
    },
    follow() {
      throw new Error("nothing is followed");
    },
  };
  return { ...openVirsh(processes, "scripted:///"), asked };
}
