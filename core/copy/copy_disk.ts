import type { DataRange } from "./cluster_set.ts";
import type { Seed } from "../block_map/cluster_digest.ts";
import { readAllocation } from "../nbd/allocation.ts";
import type { NbdClient } from "../nbd/client.ts";
import { clusterSize } from "../qcow2/cluster.ts";
import { type Compression, predictLayout } from "../qcow2/layout.ts";
import type { Below } from "../sys/files.ts";
import type { System } from "../sys/system.ts";
import { chunksOf, clustersBySegment, countClusters, dataRanges } from "./data_ranges.ts";
import { Pipeline, type PipelineResult } from "./pipeline.ts";
import { type HeldBack, heldBack, type Waits } from "./waits.ts";
import { WriteBehind } from "./write_behind.ts";

export interface CopyOptions extends Below {
  /** The export to read. The connection is borrowed: its owner closes it. */
  readonly client: NbdClient;
  /** Paths of files that must not exist yet. */
  readonly imagePath: string;
  readonly blockMapPath: string;
  readonly compression: Compression;
  readonly seed: Seed;
  readonly digestThreads: number;
  /** Make the image's SHA-256 on the way: for an image that is not read back. */
  readonly checksum: boolean;
  readonly stallMs: number;
  /** Waits until so many bytes may be read; shared by the disks of a run. */
  readonly limit: (bytes: number) => Promise<void>;
  /** Bytes stored of the bytes that the disk has allocated. */
  readonly onProgress: (done: number, total: number) => void;
  /** The image is durable up to there, in bytes, and can be read from the share; told during the copy. */
  readonly onDurable?: ((upTo: number) => void) | undefined;
  readonly signal: AbortSignal;
}

export interface CopiedDisk extends Omit<PipelineResult, "busy"> {
  /** Bytes. */
  readonly virtualSize: number;
  readonly readBytes: number;
  readonly seed: Seed;
  readonly heldBack: HeldBack;
}

/**
 * Chunks in flight, from the request to the file: the memory of one copy's data, in MiB. Compressing is slower
 * than all else: nothing is gained by reading far ahead of it.
 */
const buffers = { none: 24, zstd: 12 } as const;

/**
 * Copies one export into a qcow2 image and its block map: allocation first, then its data in one pass, read
 * with many requests in flight. A connection serves one copy: a copy that fails ends its requests. Both files are durable when it resolves; on failure they are left as they
 * are, for the caller to remove with the folder that they lie in.
 *
 * @throws {VmbError} of the export (`nbd.*`), of the share (`copy.failed`, `share.stalled`), or the signal's
 *   reason
 */
export async function copyDisk(
  system: Pick<System, "clock" | "files" | "processes">,
  options: CopyOptions,
): Promise<CopiedDisk> {
  const { client, signal, onProgress, seed, onDurable = () => {} } = options;
  const { clock } = system;
  const since = clock.monotonic();
  const stop = () => client.destroy(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  try {
    signal.throwIfAborted();
    const virtualSize = client.size;
    const ranges = await dataRanges(readAllocation(client, { signal }), virtualSize);
    const total = countClusters(ranges) * clusterSize;
    const behind = new WriteBehind(system, {
      path: options.imagePath,
      below: options.below,
      signal,
      onDurable,
    });
    let done = 0;
    const pipeline = new Pipeline({
      store: {
        imagePath: options.imagePath,
        blockMapPath: options.blockMapPath,
        below: options.below,
        virtualSize,
        seed,
        layout: predictLayout({
          virtualSize,
          dataClusters: clustersBySegment(ranges),
          compression: options.compression,
        }),
      },
      compression: options.compression,
      digestThreads: options.digestThreads,
      checksum: options.checksum,
      buffers: buffers[options.compression],
      stallMs: options.stallMs,
      clock,
      onStored(clusters, position) {
        done += clusters * clusterSize;
        behind.wrote(position);
        onProgress(done, total);
      },
    });
    const abort = () => pipeline.fail(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    try {
      if (signal.aborted) abort();
      const { chunks, readBytes, waits } = await readRanges(
        client,
        ranges,
        pipeline,
        { limit: options.limit, clock },
      );
      const finishing = clock.monotonic();
      const { busy, ...stored } = await pipeline.finish(chunks);
      await behind.settle();
      const now = clock.monotonic();
      const sinkMs = waits.sinkMs + now - finishing;
      const held = heldBack({ ...waits, sinkMs, totalMs: now - since }, busy);
      return { ...stored, virtualSize, readBytes, seed, heldBack: held };
    } finally {
      signal.removeEventListener("abort", abort);
      pipeline.close();
    }
  } catch (error) {
    client.destroy(error);
    throw error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

async function readRanges(
  client: NbdClient,
  ranges: Iterable<DataRange>,
  pipeline: Pipeline,
  { limit, clock }: Pick<CopyOptions, "limit"> & Pick<System, "clock">,
): Promise<{ chunks: number; readBytes: number; waits: Omit<Waits, "totalMs"> }> {
  let sequence = 0;
  let readBytes = 0;
  const waits = { limitMs: 0, sourceMs: 0, sinkMs: 0 };
  for (const { first, end } of chunksOf(ranges)) {
    const offset = first * clusterSize;
    const length = Math.min(end * clusterSize, client.size) - offset;
    const asked = clock.monotonic();
    await limit(length);
    const allowed = clock.monotonic();
    waits.limitMs += allowed - asked;
    const taking = pipeline.takeBuffer();
    const kind = pipeline.waitsForSource ? "sourceMs" : "sinkMs";
    const buffer = await taking;
    waits[kind] += clock.monotonic() - allowed;
    const chunk = { sequence: sequence++, firstCluster: first, clusters: end - first, buffer };
    // The end of the disk may lie within a cluster; what an earlier chunk left there is no data.
    new Uint8Array(buffer, length, chunk.clusters * clusterSize - length).fill(0);
    client.read(offset, new Uint8Array(buffer, 0, length)).then(
      () => pipeline.send(chunk),
      (error) => pipeline.fail(error),
    );
    readBytes += length;
  }
  return { chunks: sequence, readBytes, waits };
}
