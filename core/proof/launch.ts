import { VmbError } from "../error.ts";
import { formatBytes } from "../format/bytes.ts";
import { quoted } from "../format/quoted.ts";
import { describeDomain } from "../libvirt/domain_xml.ts";
import type { ProofContext, RunningCopy } from "./context.ts";
import type { IsolatedNetwork } from "./isolated_network.ts";
import type { Staged } from "./stage.ts";
import { testCopy } from "./test_domain.ts";

/** Memory that is left to the host beside a copy, in bytes: production must not feel it. */
const memoryReserve = 256 * 2 ** 20;

/**
 * Starts the copy as a transient domain: there is no definition of it that could be left behind.
 *
 * @throws {VmbError} `proof.memory` when the host has not enough of it; `proof.start` with libvirt's words
 */
export async function launchCopy(
  context: ProofContext,
  xml: string,
  staged: Pick<Staged, "disks" | "nvram" | "bootFiles" | "firmware">,
  network: IsolatedNetwork | undefined,
): Promise<RunningCopy> {
  const { system, virsh, copy, scratchFolder, stagingFolder, journal, request } = context;
  const { report, signal } = context;
  const consoleLog = `${scratchFolder}/console.log`;
  const built = testCopy(xml, {
    ...copy,
    ...staged,
    consoleLog,
    network: request.network,
    isolatedNetwork: network?.name,
    userSession: virsh.uri.endsWith("/session"),
  });
  assertAllAttached(context, built.xml);
  await assertMemory(context, built.memory);
  if (built.leftOut.length > 0) {
    const text = `Left out of the copy: ${built.leftOut.map((each) => quoted(each)).join(", ")}`;
    report({ kind: "info", text });
  }
  const file = `${stagingFolder}/test-copy.xml`;
  await system.files.write(file, built.xml);
  signal.throwIfAborted();
  await journal.write({ step: "test-domain", ...copy });
  const startedAt = system.clock.monotonic();
  const done = await virsh.attempt(["create", file], { timeoutMs: 180_000 });
  if (done.code !== 0) {
    throw new VmbError(
      `The copy cannot be started here: ${
        done.stderr.trim().replace(/^error:\s*/gm, "").replaceAll("\n", "; ")
      }`,
      {
        code: "proof.start",
        hint: "Its definition may want what this hypervisor has not; prove it on another one",
      },
    );
  }
  return { description: describeDomain(built.xml), consoleLog, network, startedAt };
}

/** A copy that boots without one of its disks proves nothing. */
function assertAllAttached({ backup }: ProofContext, xml: string): void {
  const attached = describeDomain(xml).disks.map(({ target }) => target);
  const missing = backup.manifest.disks.filter(({ target }) => !attached.includes(target));
  if (missing.length === 0) return;
  throw new VmbError(
    `The copy would be without disk ${
      missing.map(({ target }) => target).join(", ")
    } of the backup`,
    { code: "proof.disks", hint: "Make a new backup; its domain XML and its manifest contradict" },
  );
}

async function assertMemory({ system }: ProofContext, needed: number): Promise<void> {
  const text = await system.files.readText("/proc/meminfo");
  const available = Number(/^MemAvailable:\s*(\d+) kB/m.exec(text)?.[1] ?? 0) * 1024;
  if (available >= needed + memoryReserve) return;
  throw new VmbError(
    `The copy needs ${formatBytes(needed)} of memory, and only ${
      formatBytes(available)
    } are free on this hypervisor`,
    { code: "proof.memory", hint: "Prove it on a hypervisor that has more free memory" },
  );
}
