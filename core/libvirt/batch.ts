import type { Argv } from "../sys/process.ts";

/** How one command of a batch ended. */
export interface BatchPart {
  readonly command: Argv;
  /** Milliseconds that virsh measured; `undefined` when virsh ended before the command did. */
  readonly ms: number | undefined;
  readonly failed: boolean;
  /** What virsh said, without its `error:` marks. */
  readonly words: string;
}

/**
 * Reads the output of a batch that ran under `virsh --timing`: after each command's own words comes one
 * line `(Time: 3.283 ms)`. The exit status is only that of the last command, so each part is judged by
 * its own words.
 */
export function readBatch(commands: readonly Argv[], output: string): readonly BatchPart[] {
  const parts = output.split(/^\(Time: ([\d.]+) ms\)$/m);
  return commands.map((command, index) => {
    const words = (parts[index * 2] ?? "").trim();
    const time = parts[index * 2 + 1];
    return {
      command,
      ms: time === undefined ? undefined : Number(time),
      failed: time === undefined || /^error:/m.test(words),
      words: words.replace(/^error:\s*/gm, "").replaceAll("\n", "; "),
    };
  });
}
