import { VmbError } from "../error.ts";
import { type BatchPart, readBatch } from "../libvirt/batch.ts";
import type { Argv } from "../sys/process.ts";
import type { CaptureContext } from "./context.ts";

/** Error code of a batch that still runs: nothing of it may be undone before it has ended. */
export const unfinished = "capture.unfinished";

/**
 * Runs virsh commands in one process that lives on when we are killed, and waits for its end.
 *
 * @returns one part for each command, and when the process was started
 * @throws {VmbError} `capture.unfinished` when it has not ended in time: libvirt, QEMU or the agent hangs, and
 *   may still do what it was told
 */
export async function runBatch<const Commands extends readonly Argv[]>(
  { virsh, domain, freezeTimeoutSeconds, system, stagingFolder }: CaptureContext,
  name: string,
  commands: Commands,
): Promise<{ parts: { readonly [Index in keyof Commands]: BatchPart }; startedAt: Date }> {
  const log = `${stagingFolder}/${name}.log`;
  const startedAt = system.clock.now();
  const child = await virsh.startBatch(commands, log);
  // A hung agent may use its whole time for the freeze and again for the thaw.
  const patience = (2 * freezeTimeoutSeconds + 60) * 1000;
  const waiting = new AbortController();
  const ended = await Promise.race([
    child.exited.then(() => true),
    system.clock.sleep(patience, waiting.signal).then(() => false, () => false),
  ]);
  waiting.abort();
  if (!ended) {
    throw new VmbError(
      `Commands to libvirt for "${domain.name}" did not end within ${patience / 1000} s`,
      {
        code: unfinished,
        hint: "libvirt or QEMU hangs: look at the VM. When it goes on, run: vmb hv recover",
      },
    );
  }
  const parts = readBatch(commands, await system.files.readText(log));
  return { parts: parts as unknown as { [Index in keyof Commands]: BatchPart }, startedAt };
}
