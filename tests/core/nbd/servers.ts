import { systemNetwork } from "../../../core/sys/network.ts";
import { connectNbd, type NbdClient, type NbdConnectOptions } from "../../../core/nbd/client.ts";

/** A real NBD server in a folder of its own; both are gone after `await using`. */
export interface Server extends AsyncDisposable {
  readonly socketPath: string;
  readonly uri: string;
  /** Ends the server's process at once. */
  kill(): Promise<void>;
}

export interface TemporaryFolder extends AsyncDisposable {
  readonly path: string;
}

export async function temporaryFolder(): Promise<TemporaryFolder> {
  const path = await Deno.makeTempDir({ prefix: "vmb-nbd-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** Starts nbdkit with these arguments, behind the ones that name its socket. */
export function startNbdkit(...args: readonly string[]): Promise<Server> {
  return start((folder) => [
    "nbdkit",
    "--foreground",
    "--exit-with-parent",
    "--log=null",
    `--unix=${folder}/s`,
    `--pidfile=${folder}/pid`,
    ...args,
  ]);
}

/** Starts qemu-nbd with these arguments, behind the ones that name its socket. */
export function startQemuNbd(...args: readonly string[]): Promise<Server> {
  return start((folder) => [
    "qemu-nbd",
    "--read-only",
    "--persistent",
    "--shared=8",
    `--socket=${folder}/s`,
    `--pid-file=${folder}/pid`,
    ...args,
  ]);
}

/** Connects to the default export of a server, or as `options` say. */
export function connect(
  server: { readonly socketPath: string },
  options: Partial<NbdConnectOptions> = {},
): Promise<NbdClient> {
  return connectNbd({
    network: systemNetwork,
    socketPath: server.socketPath,
    exportName: "",
    ...options,
  });
}

/** Runs a program that must succeed, and returns what it prints. */
export async function output(program: string, ...args: readonly string[]): Promise<Uint8Array> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args: [...args] }).output();
  if (!success) {
    throw new Error(`${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  }
  return stdout;
}

export async function outputJson(program: string, ...args: readonly string[]): Promise<unknown> {
  return JSON.parse(new TextDecoder().decode(await output(program, ...args)));
}

/** The content of a server's default export, by libnbd's own copy program. */
export function reference(server: Server): Promise<Uint8Array> {
  return output("nbdcopy", server.uri, "-");
}

/** Both programs write their pid file once they listen: its appearance is the signal to go on. */
async function start(argvIn: (folder: string) => string[]): Promise<Server> {
  const folder = await Deno.makeTempDir({ prefix: "vmb-nbd-" });
  const [program = "", ...args] = argvIn(folder);
  const events = Deno.watchFs(folder);
  const child = new Deno.Command(program, { args, stdin: "null", stdout: "null", stderr: "piped" })
    .spawn();
  const complaint = new Response(child.stderr).text();
  const kill = async () => {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await Promise.all([child.status, complaint]);
  };
  const dispose = async () => {
    await kill();
    await Deno.remove(folder, { recursive: true });
  };
  try {
    const listening = (async () => {
      for await (const _ of events) if (await isWritten(`${folder}/pid`)) return true;
      return false;
    })();
    if (!await Promise.race([listening, child.status.then(() => false)])) {
      throw new Error(`${program} ${args.join(" ")}: ${await complaint}`);
    }
  } catch (error) {
    await dispose();
    throw error;
  } finally {
    events.close();
  }
  return {
    socketPath: `${folder}/s`,
    uri: `nbd+unix:///?socket=${folder}/s`,
    kill,
    [Symbol.asyncDispose]: dispose,
  };
}

async function isWritten(path: string): Promise<boolean> {
  try {
    return (await Deno.readTextFile(path)).includes("\n");
  } catch {
    return false;
  }
}
