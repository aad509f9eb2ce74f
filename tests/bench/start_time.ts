import { runOk, systemProcesses } from "../../core/sys/process.ts";
import { median, secondsOf } from "./stopwatch.ts";
import type { VmbProgram } from "./vmb_program.ts";

const wanted = 5;

/** Compares `vmb --version` with a program that does nothing, in turn. */
export async function measureStart(
  vmb: VmbProgram,
  { runs }: { readonly runs: number },
): Promise<string> {
  const empty = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    const own: number[] = [];
    const nothing: number[] = [];
    for (let run = 0; run <= runs; run++) {
      const a = await secondsOf(() => runOk(systemProcesses, [...vmb.argv, "--version"]));
      const b = await secondsOf(() => runOk(systemProcesses, [Deno.execPath(), "run", empty]));
      // The first of each fills the caches.
      if (run > 0) own.push(a), nothing.push(b);
    }
    const ms = (values: readonly number[]) => `${(median(values) * 1000).toFixed(0)} ms`;
    const ratio = (median(own) / median(nothing)).toFixed(1);
    return `vmb --version: ${ms(own)}, an empty program: ${
      ms(nothing)
    }; ratio ${ratio} (wanted: at most ${wanted})`;
  } finally {
    await Deno.remove(empty);
  }
}
