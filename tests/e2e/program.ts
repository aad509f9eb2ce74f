import { type Argv, runOk, systemProcesses } from "../../core/sys/process.ts";

/** Runs a program of the system and returns its stdout; a status other than 0 is an error. */
export async function program(...argv: Argv): Promise<string> {
  return (await runOk(systemProcesses, argv, { timeoutMs: 600_000 })).stdout;
}
