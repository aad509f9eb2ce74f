import { hostname } from "node:os";

/** The door to what this process knows of itself and its machine. */
export interface Host {
  env(name: string): string | undefined;
  readonly pid: number;
  /** Words of the command line after the program. */
  readonly args: readonly string[];
  uid(): number;
  name(): string;
  /** How this program was built: run from its sources, packed to unpack itself, or compiled. */
  form(): "source" | "self-extracting" | "compiled";
  /** The one file that this program is; `undefined` when it runs from its sources. */
  programFile(): string | undefined;
  /** The name that this program was called by: a link may give it another one than `vmb`. */
  calledAs(): string;
  /** Calls `onSignal` for each SIGHUP, SIGINT and SIGTERM until the returned function is called. */
  onStopSignal(onSignal: (signal: StopSignal) => void): () => void;
  /** Sends a signal to a process that is not our child; false when there is none. */
  kill(pid: number, signal: "SIGTERM" | "SIGKILL"): boolean;
  /** Ends this process; for main.ts alone. */
  exit(code: number): never;
}

export type StopSignal = "SIGHUP" | "SIGINT" | "SIGTERM";

const stopSignals: readonly StopSignal[] = ["SIGHUP", "SIGINT", "SIGTERM"];

export const systemHost: Host = {
  env: (name) => Deno.env.get(name),
  pid: Deno.pid,
  args: Deno.args,
  uid: () => Deno.uid() ?? 0,
  name: () => hostname(),
  form: () =>
    Deno.build.standalone ? "compiled" : Deno.env.has("VMB_EXE") ? "self-extracting" : "source",
  programFile: () => Deno.build.standalone ? Deno.execPath() : Deno.env.get("VMB_EXE"),
  calledAs() {
    const path = Deno.build.standalone
      ? Deno.readTextFileSync("/proc/self/cmdline").split("\0")[0]
      : Deno.env.get("VMB_EXE");
    return path?.split("/").at(-1) || "vmb";
  },
  onStopSignal(onSignal) {
    const handlers = stopSignals.map((signal) => [signal, () => onSignal(signal)] as const);
    for (const [signal, handler] of handlers) Deno.addSignalListener(signal, handler);
    return () => {
      for (const [signal, handler] of handlers) Deno.removeSignalListener(signal, handler);
    };
  },
  kill(pid, signal) {
    try {
      Deno.kill(pid, signal);
      return true;
    } catch {
      return false;
    }
  },
  exit: (code) => Deno.exit(code),
};
