import { openVirsh, type Virsh } from "../../../core/libvirt/virsh.ts";
import { type Processes, systemProcesses } from "../../../core/sys/process.ts";

/** What a command answers: its stdout, or how it failed. */
export type Said = string | { readonly code: number; readonly stderr: string };

export interface ScriptedVirsh extends Virsh {
  /** The words of every command so far. */
  readonly asked: readonly (readonly string[])[];
}

/** What commands answer, by their first word. */
export type Answers = Readonly<
  Record<string, (words: readonly string[]) => Said | Promise<Said>>
>;

export const scriptedUri = "scripted:///";

/**
 * The real `virsh` door over a program that answers as a test says. A command that the script does not know is
 * an error.
 *
 * @param batch what a batch writes to its log, and when it ends
 */
export function scriptedVirsh(answers: Answers, batch?: Processes["start"]): ScriptedVirsh {
  const { processes, asked } = scriptedProcesses(answers, batch);
  return { ...openVirsh(processes, scriptedUri), asked };
}

/** Programs of which `virsh` answers as a test says, and the others are what they are. */
export function scriptedProcesses(
  answers: Answers,
  batch: Processes["start"] = () => Promise.reject(new Error("no batch was expected")),
): { readonly processes: Processes; readonly asked: readonly (readonly string[])[] } {
  const asked: (readonly string[])[] = [];
  const processes: Processes = {
    ...systemProcesses,
    async run(argv, options) {
      if (argv[0] !== "virsh") return await systemProcesses.run(argv, options);
      const words = argv.slice(argv.indexOf(scriptedUri) + 1);
      asked.push(words);
      const answer = answers[words[0] ?? ""];
      if (answer === undefined) throw new Error(`nobody expected: virsh ${words.join(" ")}`);
      const said = await answer(words);
      return typeof said === "string"
        ? { argv, code: 0, stdout: said, stderr: "" }
        : { argv, code: said.code, stdout: "", stderr: said.stderr };
    },
    start(argv, logFile) {
      asked.push(["batch", argv.at(-1) ?? ""]);
      return batch(argv, logFile);
    },
  };
  return { processes, asked };
}
