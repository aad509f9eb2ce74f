import { basename, join } from "node:path";
import { removeLeftovers } from "./leftovers.ts";

/** Everything that one test or one demo makes; nothing of it outlives the lab. */
export interface Lab extends AsyncDisposable {
  /** Unique name, the prefix of every domain of this lab: `vmb-lab-x7k2f`. */
  readonly prefix: string;
  /** Folder on a local disk that the qemu user can pass through but not list. */
  readonly folder: string;
  /** Registers what is to be undone when the lab closes: last made, first undone. */
  defer(undo: () => Promise<void> | void): void;
}

export interface LabOptions {
  /**
   * Where the lab's folder is made; default `VMB_LAB_DIR`, else `/var/tmp`. Keep it short: libvirt's
   * sockets lie below it, and a socket's path has at most 107 bytes.
   */
  readonly base?: string;
}

const endings = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

/**
 * Opens a lab, after removing what labs that were killed have left in the same place. A signal closes
 * the lab and ends the process.
 */
export async function openLab(options: LabOptions = {}): Promise<Lab> {
  const base = options.base ?? Deno.env.get("VMB_LAB_DIR") ?? "/var/tmp";
  await removeLeftovers(base);
  const undo = new AsyncDisposableStack();
  const folder = await makeFolder(base);
  undo.defer(() => removeFolder(folder));
  const owner = await holdOwnership(base, folder);
  undo.defer(() => owner.close());

  let closing: Promise<void> | undefined;
  const close = () => closing ??= undo.disposeAsync();
  for (const [signal, code] of Object.entries(endings)) {
    const onSignal = () =>
      void close().catch((error) => console.error(error)).finally(() => Deno.exit(code));
    Deno.addSignalListener(signal as Deno.Signal, onSignal);
    undo.defer(() => Deno.removeSignalListener(signal as Deno.Signal, onSignal));
  }
  return {
    prefix: basename(folder),
    folder,
    defer: (step) => undo.defer(step),
    [Symbol.asyncDispose]: close,
  };
}

/** Short random names instead of Deno's long ones, for the sake of the sockets below. */
async function makeFolder(base: string): Promise<string> {
  while (true) {
    const random = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
    const folder = join(base, `vmb-lab-${random.toString(36).slice(-5).padStart(5, "0")}`);
    try {
      await Deno.mkdir(folder);
      await Deno.chmod(folder, 0o711);
      return folder;
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
  }
}

/** A lab that a signal closes may have a program at work that still makes files, but not for long. */
async function removeFolder(folder: string): Promise<void> {
  for (let tries = 1;; tries++) {
    try {
      return await Deno.remove(folder, { recursive: true });
    } catch (error) {
      const filled = error instanceof Error && "code" in error && error.code === "ENOTEMPTY";
      if (!filled || tries === 50) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

/**
 * Takes the lock that tells living labs from leftovers. The file is locked before it gets its name, so
 * no one ever sees it free while its lab lives.
 */
async function holdOwnership(base: string, folder: string): Promise<Deno.FsFile> {
  const unnamed = await Deno.makeTempFile({ dir: base, prefix: "vmb-owner-" });
  const file = await Deno.open(unnamed, { write: true });
  await file.lock(true);
  await Deno.rename(unnamed, join(folder, "owner"));
  return file;
}
