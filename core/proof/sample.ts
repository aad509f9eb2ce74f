import type { DiskExport } from "../image/disk_export.ts";
import { createClusterDigest, type Seed } from "../block_map/cluster_digest.ts";
import type { BlockMapEntry } from "../block_map/decoder.ts";
import { type ErrorReport, revive } from "../sys/thread_error.ts";
import { VmbError } from "../error.ts";
import { connectNbd } from "../nbd/client.ts";
import { clusterSize } from "../qcow2/cluster.ts";
import type { Below } from "../sys/files.ts";
import type { System } from "../sys/system.ts";
import { startThread } from "../sys/thread.ts";

export interface SampleStart extends Below {
  /** A block map. */
  readonly path: string;
  /** Clusters to choose at most. */
  readonly most: number;
}

export type SampleMessage =
  | ({ readonly kind: "done" } & Sample)
  | { readonly kind: "failed"; readonly error: ErrorReport };

/** Some clusters of a disk, spread evenly over its data, and what they must hold. */
export interface Sample {
  /** The content digest of the disk, as the block map gives it. */
  readonly contentDigest: string;
  readonly seed: Seed;
  /** Clusters that hold data. */
  readonly total: number;
  readonly chosen: readonly BlockMapEntry[];
}

/** Requests in flight while clusters are compared. */
const inFlight = 8;

/**
 * Chooses clusters from a block map, on a thread of its own: one at random from each of `most` equal parts of
 * the data, so that a damaged stretch longer than two parts cannot be missed. All of them when there are no
 * more.
 *
 * @throws {VmbError} `block-map.invalid`; the signal's reason when aborted
 */
export async function takeSample(
  path: string,
  most: number,
  signal: AbortSignal,
  { below }: Below = {},
): Promise<Sample> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<Sample>();
  const thread = startThread("sample", {
    onMessage(data) {
      const message = data as SampleMessage;
      if (message.kind === "failed") return reject(revive(message.error));
      const { contentDigest, seed, total, chosen } = message;
      resolve({ contentDigest, seed, total, chosen });
    },
    onError: reject,
  });
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    thread.post({ path, most, below } satisfies SampleStart);
    return await promise;
  } finally {
    signal.removeEventListener("abort", abort);
    thread.terminate();
  }
}

/**
 * Reads the clusters of a sample from an export and compares them.
 *
 * @throws {VmbError} `proof.content` that names the first cluster which is not what was backed up;
 *   `nbd.remote` when one cannot be read
 */
export async function compareSample(
  { network }: Pick<System, "network">,
  source: DiskExport,
  { chosen, seed }: Sample,
  signal: AbortSignal,
): Promise<void> {
  const client = await connectNbd({
    network,
    socketPath: source.socketPath,
    exportName: source.exportName,
    signal,
  });
  const hasher = await createClusterDigest(seed);
  const waiting = chosen.values();
  const worker = async () => {
    const buffer = new Uint8Array(clusterSize);
    for (const { cluster, digest } of waiting) {
      const offset = cluster * clusterSize;
      const length = Math.min(clusterSize, client.size - offset);
      if (length <= 0) throw changed(source.target, cluster, "lies beyond the end of the disk");
      await client.read(offset, buffer.subarray(0, length));
      // A cluster that the end of the disk cuts off was hashed with zeros behind it.
      buffer.fill(0, length);
      if (hasher.of(buffer).toHex() !== digest.toHex()) {
        throw changed(source.target, cluster, "is not what was backed up");
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: inFlight }, worker));
  } finally {
    await client.disconnect().catch(() => {});
  }
}

function changed(target: string, cluster: number, what: string): VmbError {
  return new VmbError(
    `Cluster ${cluster} of disk ${target} (byte ${cluster * clusterSize}) ${what}`,
    { code: "proof.content" },
  );
}
