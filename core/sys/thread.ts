import { setPriority } from "node:os";
import { VmbError } from "../error.ts";

/**
 * The entry points that run on threads of their own. `main.ts` is also the module of every thread, so
 * that a build has one entry, and starts the entry that the thread is named after.
 */
export type ThreadName = "digest" | "store" | "hash" | "readback" | "restore" | "sample";

/** A thread, seen by the one who started it. */
export interface Thread {
  post(message: unknown, transfer?: Transferable[]): void;
  /** Ends the thread at once, wherever it is. */
  terminate(): void;
}

export interface ThreadHandlers {
  onMessage(message: unknown): void;
  /** The thread died of an error that it did not report itself. */
  onError(error: VmbError): void;
}

export function startThread(name: ThreadName, handlers: ThreadHandlers): Thread {
  const worker = new Worker(entryModule(), { type: "module", name });
  worker.onmessage = (event) => handlers.onMessage(event.data);
  worker.onerror = (event) => {
    event.preventDefault();
    handlers.onError(
      new VmbError(`Thread '${name}' failed: ${event.message}`, { code: "thread.failed" }),
    );
  };
  return {
    post: (message, transfer = []) => worker.postMessage(message, transfer),
    terminate: () => worker.terminate(),
  };
}

/** The side of a thread that the thread itself sees. */
export interface ThreadScope {
  readonly name: string;
  post(message: unknown, transfer?: Transferable[]): void;
  onMessage(handler: (message: unknown) => void): void;
}

/** The scope of the thread that runs us; `undefined` on the main thread. */
export function threadScope(): ThreadScope | undefined {
  const scope = globalThis as unknown as {
    WorkerGlobalScope?: unknown;
    name: string;
    postMessage(message: unknown, transfer: Transferable[]): void;
    onmessage: ((event: MessageEvent) => void) | null;
  };
  if (scope.WorkerGlobalScope === undefined) return undefined;
  // Messages may come while the entry point is still being loaded.
  const early: unknown[] = [];
  scope.onmessage = (event) => early.push(event.data);
  return {
    name: scope.name,
    post: (message, transfer = []) => scope.postMessage(message, transfer),
    onMessage(handler) {
      scope.onmessage = (event) => handler(event.data);
      early.splice(0).forEach(handler);
    },
  };
}

/** How many threads this machine can run side by side. */
export function processors(): number {
  return navigator.hardwareConcurrency;
}

/**
 * Lets the threads of all other work go first, or no longer; on Linux priorities are of threads
 * (setpriority(2)). Without the right to rise again, the thread stays where it is.
 */
export function standBack(behind: boolean): void {
  try {
    setPriority(0, behind ? 10 : 0);
  } catch {
    // It only helps.
  }
}

/** In the source tree this file is two folders below main.ts; a build has all files in one folder. */
function entryModule(): URL {
  return import.meta.url.endsWith("/core/sys/thread.ts")
    ? new URL("../../main.ts", import.meta.url)
    : new URL("main.js", import.meta.url);
}
