import { hostname } from "node:os";

/** The door to what this process knows of itself and its machine. */
export interface Host {
  env(name: string): string | undefined;
  readonly pid: number;
  uid(): number;
  name(): string;
  /** Calls `onSignal` for each SIGHUP, SIGINT and SIGTERM until the returned function is called. */
  onStopSignal(onSignal: (signal: StopSignal) => void): () => void;
  /** Sends a signal to a process that is not our child; false when there is none. */
  kill(pid: number, signal: "SIGTERM" | "SIGKILL"): boolean;
}

export type StopSignal = "SIGHUP" | "SIGINT" | "SIGTERM";

const stopSignals: readonly StopSignal[] = ["SIGHUP", "SIGINT", "SIGTERM"];

export const systemHost: Host = {
  env: (name) => Deno.env.get(name),
  pid: Deno.pid,
  uid: () => Deno.uid() ?? 0,
  name: () => hostname(),
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
};
