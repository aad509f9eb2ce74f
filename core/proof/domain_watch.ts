import type { ProofContext } from "./context.ts";

/** A running copy, seen through libvirt's eyes. */
export interface DomainWatch {
  /** Why the copy no longer runs; `undefined` while it does. */
  endOf(): Promise<string | undefined>;
  /** libvirt saw the agent open its channel. */
  agentConnected(): boolean;
  /** Bytes that the guest has read of all disks. */
  bytesRead(): Promise<number>;
  /** Resolves when libvirt tells something of the copy, or after `ms` milliseconds. */
  next(ms: number, signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}

/** Begins to listen to libvirt's events; what they miss, the questions find. */
export function watchDomain(
  { system, virsh, copy, stagingFolder }: Pick<
    ProofContext,
    "system" | "virsh" | "copy" | "stagingFolder"
  >,
): DomainWatch {
  let connected = false;
  let wake = () => {};
  const events = system.processes.follow(
    // The log's name makes the process ours, should it be left behind.
    virsh.argv([
      ...["--log", `${stagingFolder}/events.log`],
      ...["event", "--domain", copy.uuid, "--all", "--loop"],
    ]),
    (line) => {
      if (/'agent-lifecycle'.*state: 'connected'/.test(line)) connected = true;
      wake();
    },
  );
  return {
    agentConnected: () => connected,
    stop: () => events.stop(),
    async endOf() {
      const done = await virsh.attempt(["domstate", copy.uuid, "--reason"]);
      const state = done.stdout.trim();
      if (done.code !== 0) {
        return /domain not found|failed to get domain|no domain with matching/i.test(done.stderr)
          ? "it ended by itself while it was to boot"
          : undefined;
      }
      if (/^paused \(I\/O error\)/.test(state)) {
        return "it was stopped because a disk could not be read";
      }
      return /^(shut off|crashed|paused|pmsuspended)/.test(state) ? `it is ${state}` : undefined;
    },
    async bytesRead() {
      const { stdout } = await virsh.attempt(["domstats", "--block", copy.uuid]);
      return [...stdout.matchAll(/^\s*block\.\d+\.rd\.bytes=(\d+)/gm)]
        .reduce((sum, [, bytes]) => sum + Number(bytes), 0);
    },
    next: (ms, signal) =>
      new Promise((resolve, reject) => {
        const pause = new AbortController();
        wake = () => pause.abort();
        const slept = system.clock.sleep(ms, AbortSignal.any([signal, pause.signal]));
        slept.then(resolve, () => signal.aborted ? reject(signal.reason) : resolve());
      }),
  };
}
