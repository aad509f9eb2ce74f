import type { SiteHypervisor } from "../config/site.ts";
import { VmbError } from "../error.ts";
import { type Argv, type Completed, type Processes, type RunOptions } from "../sys/process.ts";
import { remoteCommand } from "./remote_command.ts";
import { remoteFault, sudoFault } from "./remote_fault.ts";
import { stoppable } from "./stoppable.ts";

/** A hypervisor, reached by the system's ssh. */
export interface Remote {
  readonly name: string;
  readonly hypervisor: SiteHypervisor;
  /**
   * Runs a program there, as root, to its end.
   *
   * @throws {VmbError} `ssh.failed` when ssh itself did not get there, `ssh.sudo` when sudo refused it
   */
  run(argv: Argv, options?: RemoteOptions): Promise<Completed>;
  /** Like `run`, but an exit status other than 0 is an error, whose message is its cause. */
  runOk(argv: Argv, options?: RemoteOptions): Promise<Completed>;
}

export interface RemoteOptions extends Pick<RunOptions, "stdin" | "timeoutMs"> {
  /**
   * An abort has the program there end by SIGTERM, and waits so many milliseconds for it; what it says on the
   * way is in the result. Such a program gets no input.
   */
  readonly stopWithinMs?: number | undefined;
}

export interface RemoteAccess {
  readonly processes: Pick<Processes, "run">;
  /** A file for ssh's `-F`; `undefined` for the user's and the system's own. */
  readonly sshConfig: string | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Of ssh itself; any other status is of the program. */
const sshFailed = 255;

/** Makes the way to a hypervisor; nothing is done before the first `run`. */
export function openRemote(hypervisor: SiteHypervisor, access: RemoteAccess): Remote {
  const { name, address, ssh } = hypervisor;
  const { processes, sshConfig, signal } = access;
  const way: Argv = [
    "ssh",
    ...(sshConfig === undefined ? [] : ["-F", sshConfig]),
    // Nobody is there to type a password, or to compare the key of a host that is not known.
    ...["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"],
    ...["-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4"],
    ...["-T", "-p", String(ssh.port), "-l", ssh.user, "--", address],
  ];
  const asRoot = ssh.user === "root" ? [] : ["sudo", "-n", "--"];

  async function run(argv: Argv, options: RemoteOptions = {}): Promise<Completed> {
    const { stopWithinMs, ...given } = options;
    const stops = stopWithinMs !== undefined;
    const [program = "", ...args] = [...asRoot, ...(stops ? stoppable(argv) : argv)];
    const completed = await processes.run([...way, remoteCommand([program, ...args])], {
      ...given,
      ...(stops && { askToStop: { line: "stop\n", patienceMs: stopWithinMs } }),
      signal,
    });
    const refused = sudoFault(completed, hypervisor);
    if (refused !== undefined) throw refused;
    if (completed.code !== sshFailed) return { ...completed, argv };
    const said = completed.stderr.trim().split("\n").at(-1) ?? "";
    throw new VmbError(`Connection by ssh to ${ssh.user}@${address} failed: ${said}`, {
      code: "ssh.failed",
      hint: hintFor(completed.stderr, hypervisor),
    });
  }

  return {
    name,
    hypervisor,
    run,
    async runOk(argv, options) {
      const completed = await run(argv, options);
      if (completed.code !== 0) throw remoteFault(completed, hypervisor);
      return completed;
    },
  };
}

function hintFor(stderr: string, { address, ssh }: SiteHypervisor): string {
  const { user, port } = ssh;
  if (/Host key verification failed|REMOTE HOST IDENTIFICATION/.test(stderr)) {
    return `Compare the host's key and accept it once: ssh -p ${port} ${user}@${address}`;
  }
  if (/Permission denied/.test(stderr)) {
    return `Let a key of yours in: ssh-copy-id -p ${port} ${user}@${address}`;
  }
  return "Is the host up, and sshd on that port?";
}
