import type { ServiceName } from "../podman/service.ts";
import { commandFailed } from "../sys/process.ts";
import type { Machine } from "./places.ts";

/** A container, as podman has it. */
export interface ContainerState {
  /** `running`, `exited`, `created`. */
  readonly status: string;
  /** `healthy`, `unhealthy`, `starting`; empty for one without a health check. */
  readonly health: string;
  /** The program that runs it: `crun`. */
  readonly runtime: string;
}

/**
 * The state of a container; `undefined` when there is none.
 *
 * @throws {VmbError} `process.failed` when podman cannot tell, three times: one failure, whatever its cause, must
 *   not make a container that is well count as missing
 */
export async function containerState(
  { processes, clock }: Pick<Machine, "processes" | "clock">,
  name: ServiceName,
): Promise<ContainerState | undefined> {
  const argv = ["podman", "container", "inspect", "--format", "json", name] as const;
  for (let tries = 1;; tries++) {
    const done = await processes.run(argv, { timeoutMs: 180_000 });
    if (done.code === 0) return readState(done.stdout);
    // podman-container-inspect(1) has one status for all that goes wrong.
    if (/no such container/i.test(done.stderr)) return undefined;
    if (tries === 3) throw commandFailed(done);
    await clock.sleep(1000);
  }
}

function readState(json: string): ContainerState | undefined {
  const [container] = JSON.parse(json) as readonly InspectedContainer[];
  if (container === undefined) return undefined;
  const { State, OCIRuntime } = container;
  return {
    status: State?.Status ?? "",
    health: State?.Health?.Status ?? State?.Healthcheck?.Status ?? "",
    runtime: (OCIRuntime ?? "").replace(/^.*\//, ""),
  };
}

/** What podman 5 prints; 4 had `Healthcheck` in place of `Health`. */
interface InspectedContainer {
  readonly State?: {
    readonly Status?: string;
    readonly Health?: { readonly Status?: string };
    readonly Healthcheck?: { readonly Status?: string };
  };
  readonly OCIRuntime?: string;
}

/** The words that run a program in a container of ours. */
export function inContainer(
  name: ServiceName,
  ...argv: readonly string[]
): readonly ["podman", ...string[]] {
  return ["podman", "exec", "--interactive", name, ...argv];
}
