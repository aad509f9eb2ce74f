import { formatDuration } from "../../core/format/duration.ts";

/** Shows the steps of the demo, one line each, with the time that each took. */
export interface Steps {
  /** Runs a step and returns its result, of which `tell` makes what is shown behind the title. */
  run<T>(title: string, work: () => Promise<T>, tell: (result: T) => string): Promise<T>;
  /** Shows a text between the steps. */
  say(text: string): void;
  /** From now on nothing is shown: the demo was interrupted and is being cleared away. */
  silence(): void;
}

const titleWidth = 9;
const detailWidth = 57;

/** On a terminal a line is there from the step's beginning; elsewhere it comes when the step has ended. */
export function startSteps(): Steps {
  const terminal = Deno.stdout.isTerminal();
  const colour = terminal && !Deno.noColor;
  let silent = false;
  const paint = (code: number, text: string) => colour ? `\x1b[${code}m${text}\x1b[0m` : text;
  const line = (mark: string, title: string, detail = "", ms?: number) => {
    const time = ms === undefined ? "" : paint(2, formatDuration(ms).padStart(8));
    return `  ${mark} ${title.padEnd(titleWidth)} ${detail.padEnd(detailWidth)} ${time}`.trimEnd();
  };
  const show = (text: string, end = "\n") => {
    if (!silent) write(terminal ? `\r\x1b[K${text}${end}` : `${text}${end}`);
  };
  return {
    async run(title, work, tell) {
      if (terminal) show(line(paint(2, "…"), title), "");
      const begun = performance.now();
      try {
        const result = await work();
        show(line(paint(32, "✓"), title, tell(result), performance.now() - begun));
        return result;
      } catch (error) {
        show(line(paint(31, "✗"), title, "failed", performance.now() - begun));
        throw error;
      }
    },
    say: (text) => show(text),
    silence: () => void (silent = true),
  };
}

/** Draws a bar for each part of a whole; the longest fills the line. */
export function drawParts(seconds: Readonly<Record<string, number>>): string {
  const parts = Object.entries(seconds).filter(([, each]) => each >= 0.005);
  const longest = Math.max(...parts.map(([, each]) => each));
  return parts.map(([name, each]) => {
    const bar = "█".repeat(Math.max(1, Math.round(each / longest * 40)));
    return `    ${name.padEnd(titleWidth)} ${formatDuration(each * 1000).padStart(8)}  ${bar}`;
  }).join("\n");
}

function write(text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let done = 0; done < bytes.length;) done += Deno.stdout.writeSync(bytes.subarray(done));
}
