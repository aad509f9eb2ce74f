import { toVmbError } from "../error.ts";
import { agentCommand } from "../libvirt/agent.ts";
import type { ProofContext, RunningCopy } from "./context.ts";
import type { IsolatedNetwork } from "./isolated_network.ts";
import { stepFailed, stepOk, type StepResult, stepSkipped, stepUnproven } from "./steps.ts";
import { isInSubnet } from "./subnet.ts";

type Asked = Pick<ProofContext, "virsh" | "copy">;

const patienceSeconds = 10;

/** What the guest calls itself: `Debian GNU/Linux 12 (bookworm), Linux 6.1.0`. */
export async function askSystem(
  { virsh, copy }: Asked,
): Promise<readonly [string | null, StepResult]> {
  try {
    const info = await agentCommand(virsh, copy, "guest-get-osinfo", patienceSeconds) as Record<
      string,
      unknown
    >;
    const name = [info["pretty-name"], info["kernel-release"]]
      .filter((part) => typeof part === "string").join(", ");
    return [name || null, stepOk(name || "the guest does not name it")];
  } catch (error) {
    return [null, stepSkipped(toVmbError(error).message)];
  }
}

/** File systems that are mounted from disks. A system that has none did not find its data. */
export async function askFileSystems(
  { virsh, copy }: Asked,
): Promise<readonly [readonly string[], StepResult]> {
  try {
    const answer = await agentCommand(virsh, copy, "guest-get-fsinfo", patienceSeconds);
    const mounted = (Array.isArray(answer) ? answer : []).filter((each) =>
      Array.isArray(each?.disk) && each.disk.length > 0
    ).map((each) => String(each.mountpoint)).sort();
    return [
      mounted,
      mounted.length > 0
        ? stepOk(`mounted: ${mounted.join(", ")}`)
        : stepFailed("no file system of any disk is mounted"),
    ];
  } catch (error) {
    return [[], stepSkipped(toVmbError(error).message)];
  }
}

/** Waits for an address of the isolated network; the lease or the agent tells it. */
export async function askAddresses(
  { virsh, copy, system, signal }: Pick<ProofContext, "virsh" | "copy" | "system" | "signal">,
  running: RunningCopy,
  network: IsolatedNetwork,
  patienceMs = 20_000,
): Promise<readonly [readonly string[], StepResult]> {
  if (running.description.interfaces.length === 0) return [[], stepSkipped("it has no interface")];
  const until = system.clock.monotonic() + patienceMs;
  let others: readonly string[] = [];
  for (;;) {
    const found = new Set<string>();
    for (const source of ["lease", "agent"]) {
      if (source === "agent" && !running.description.agent) continue;
      const { stdout } = await virsh.attempt(["domifaddr", copy.uuid, `--source=${source}`]);
      for (const [, address = ""] of stdout.matchAll(/\sipv4\s+(\d+\.\d+\.\d+\.\d+)/g)) {
        if (!address.startsWith("127.")) found.add(address);
      }
    }
    const ours = [...found].filter((address) => isInSubnet(address, network.subnet));
    if (ours.length > 0) return [ours, stepOk(ours.join(", "))];
    others = [...found];
    if (system.clock.monotonic() > until) break;
    await system.clock.sleep(500, signal);
  }
  const wanted = `of the isolated network (${network.subnet.prefix}.0/24)`;
  return [
    others,
    others.length > 0
      ? {
        outcome: "warning",
        detail: `it has its own ${others.join(", ")}, and none ${wanted}`,
      }
      : stepUnproven(`it took no address ${wanted} within ${patienceMs / 1000} s`),
  ];
}
