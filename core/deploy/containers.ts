import type { ServiceName } from "../podman/service.ts";
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

/** The state of a container; `undefined` when there is none. */
export async function containerState(
  { processes }: Pick<Machine, "processes">,
  name: ServiceName,
): Promise<ContainerState | undefined> {
  const { code, stdout } = await processes.run(
    ["podman", "container", "inspect", "--format", "json", name],
    { timeoutMs: 180_000 },
  );
  if (code !== 0) return undefined;
  const [container] = JSON.parse(stdout) as readonly InspectedContainer[];
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
