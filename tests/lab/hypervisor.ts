import { type Argv, runOk, systemProcesses } from "../../core/sys/process.ts";
import type { Lab } from "./lab.ts";
import { privateHypervisor } from "./private_hypervisor.ts";
import { sessionHypervisor } from "./session_hypervisor.ts";
import { systemHypervisor } from "./system_hypervisor.ts";

/** A libvirt that answers. It stops when its lab closes; `stop` ends it earlier. */
export interface Hypervisor {
  readonly lab: Lab;
  readonly kind: HypervisorKind;
  /** Connection URI, for `virsh --connect` and LIBVIRT_URI. */
  readonly uri: string;
  /** What a child process must have in its environment to reach it, besides the URI. */
  readonly env: Readonly<Record<string, string>>;
  /**
   * Runs one virsh command and returns its stdout.
   *
   * @throws {VmbError} `process.failed` with virsh's words
   */
  virsh(...args: string[]): Promise<string>;
  /** The process whose network namespace its bridges are in; `undefined` for the machine's own. */
  readonly networkOf?: number;
  /** Ends what was started here, and only that. */
  stop(): Promise<void>;
}

/**
 * - `system`: the machine's own `qemu:///system`; started when nobody else has.
 * - `private`: a libvirt daemon as root in namespaces of its own, a stranger to the machine's.
 * - `session`: a libvirt daemon of an ordinary user in a folder of its own.
 */
export type HypervisorKind = "private" | "session" | "system";

/**
 * Makes a libvirt usable. The default leaves the machine's own libvirt alone and is the surest to leave
 * nothing behind; `VMB_LAB_HYPERVISOR` overrides it.
 */
export async function startHypervisor(lab: Lab, kind = defaultKind()): Promise<Hypervisor> {
  switch (kind) {
    case "private":
      return await privateHypervisor(lab);
    case "session":
      return await sessionHypervisor(lab);
    case "system":
      return await systemHypervisor(lab);
  }
}

/** The way to run virsh that all kinds share. */
export function virshOf(
  uri: string,
  env: Readonly<Record<string, string>>,
): (...args: string[]) => Promise<string> {
  return async (...args) => {
    const argv: Argv = ["virsh", "--quiet", "--connect", uri, ...args];
    return (await runOk(systemProcesses, argv, { env })).stdout;
  };
}

function defaultKind(): HypervisorKind {
  const wanted = Deno.env.get("VMB_LAB_HYPERVISOR");
  if (wanted === "private" || wanted === "session" || wanted === "system") return wanted;
  return Deno.uid() === 0 ? "private" : "session";
}
