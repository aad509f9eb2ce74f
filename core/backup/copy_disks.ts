import type { Seed } from "../block_map/cluster_digest.ts";
import type { Capture } from "../capture/capture.ts";
import { type CopiedDisk, copyDisk } from "../copy/copy_disk.ts";
import { rateLimit } from "../copy/rate_limit.ts";
import { showHeldBack } from "../copy/waits.ts";
import { VmbError } from "../error.ts";
import type { Report } from "../event.ts";
import { formatBytes } from "../format/bytes.ts";
import type { Compression } from "../qcow2/layout.ts";
import { blockMapName, imageName } from "../repository/layout.ts";
import type { Below } from "../sys/files.ts";
import type { System } from "../sys/system.ts";
import { processors } from "../sys/thread.ts";

export interface CopyDisksOptions extends Below {
  readonly vm: string;
  readonly folder: string;
  readonly compression: Compression;
  readonly seed: Seed;
  /** Make the SHA-256 of each image on the way: for images that are not read back. */
  readonly checksum: boolean;
  readonly bandwidthLimit: number | undefined;
  readonly shareTimeoutSeconds: number;
  readonly parallelDisks: number;
  /** Local folder whose file system takes what the guest overwrites meanwhile. */
  readonly scratchFolder: string;
  /** The copy ends early when less than this is free there, in bytes. */
  readonly leastLocalBytes: number;
  /** The image of a disk is durable up to there, in bytes. */
  readonly onDurable: (target: string, upTo: number) => void;
  readonly report: Report;
  readonly signal: AbortSignal;
}

export interface NamedCopy extends CopiedDisk {
  readonly target: string;
  readonly seconds: number;
}

/** A share that stores nothing for this many of its time-outs counts as hung. */
const stallFactor = 10;

/** Copies all disks of a capture into a folder, some of them side by side. */
export async function copyDisks(
  system: Pick<System, "clock" | "files" | "processes">,
  capture: Pick<Capture, "disks">,
  options: CopyDisksOptions,
): Promise<readonly NamedCopy[]> {
  const { report, folder, vm } = options;
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const limit = rateLimit(options.bandwidthLimit, system.clock, signal);
  const watching = watchLocalSpace(system, options, stop).catch((error) => stop.abort(error));
  const copies: NamedCopy[] = [];
  const waiting = [...capture.disks];
  const worker = async () => {
    for (let disk = waiting.shift(); disk; disk = waiting.shift()) {
      const { target, client } = disk;
      const since = system.clock.monotonic();
      const copy = await copyDisk(system, {
        client,
        imagePath: `${folder}/${imageName(vm, target)}`,
        blockMapPath: `${folder}/${blockMapName(vm, target)}`,
        below: options.below,
        compression: options.compression,
        seed: options.seed,
        checksum: options.checksum,
        digestThreads: options.compression === "none" ? 1 : Math.min(3, processors()),
        stallMs: options.shareTimeoutSeconds * stallFactor * 1000,
        limit,
        onProgress: (done, total) => report({ kind: "progress", target, done, total }),
        onDurable: (upTo) => options.onDurable(target, upTo),
        signal,
      });
      const seconds = (system.clock.monotonic() - since) / 1000;
      report({
        kind: "info",
        text: `${target}: ${formatBytes(copy.readBytes)} read, ${
          formatBytes(copy.storedBytes)
        } stored in ${seconds.toFixed(1)} s (${formatBytes(copy.readBytes / seconds)}/s), ${
          showHeldBack(copy.heldBack)
        }`,
      });
      copies.push({ target, seconds: Math.round(seconds * 1000) / 1000, ...copy });
    }
  };
  // All of them are waited for: one that still wrote would write into a folder that is being removed.
  const ends = await Promise.allSettled(
    Array.from({ length: options.parallelDisks }, () =>
      worker().catch((error) => {
        stop.abort(error);
        throw error;
      })),
  );
  stop.abort();
  await watching;
  const failed = ends.find((end) => end.status === "rejected");
  if (failed !== undefined) throw failed.reason;
  const order = capture.disks.map(({ target }) => target);
  return copies.sort((a, b) => order.indexOf(a.target) - order.indexOf(b.target));
}

/** A full scratch file system would pause the guest: the copy ends before that. */
async function watchLocalSpace(
  { clock, files }: Pick<System, "clock" | "files">,
  { scratchFolder, leastLocalBytes }: CopyDisksOptions,
  stop: AbortController,
): Promise<void> {
  while (!stop.signal.aborted) {
    const space = await files.space(scratchFolder).catch((error) => stop.abort(error));
    if (space === undefined) return;
    const { free } = space;
    if (free < leastLocalBytes) {
      stop.abort(
        new VmbError(
          `Copy ended early: only ${formatBytes(free)} are free at "${scratchFolder}", at least ${
            formatBytes(leastLocalBytes)
          } wanted`,
          {
            code: "backup.local-space",
            hint:
              "The guest wrote much during the copy: make room for scratch files, or back it up at a quieter hour",
          },
        ),
      );
    }
    await clock.sleep(2000, stop.signal).catch(() => {});
  }
}
