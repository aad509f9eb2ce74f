import { clusterSize, clustersPerSegment } from "../qcow2/cluster.ts";
import { predictLayout } from "../qcow2/layout.ts";
import { Qcow2Stream } from "../qcow2/stream.ts";
import type { Sink, Source } from "../sys/files.ts";
import { openBackupImage } from "./image_clusters.ts";

/** A disk that is being written; clusters that are not put read as zeros. */
export interface ClusterTarget {
  /** Puts whole clusters, in guest order. */
  put(firstCluster: number, bytes: Uint8Array): void;
  finish(): void;
}

/** A raw image: every cluster at its place, holes between. */
export function rawTarget(sink: Sink, virtualSize: number): ClusterTarget {
  return {
    put(first, bytes) {
      const offset = first * clusterSize;
      sink.writeAt(bytes.subarray(0, Math.max(0, virtualSize - offset)), offset);
    },
    finish: () => sink.truncate(virtualSize),
  };
}

/** A qcow2 image without compression, written in one stream; `source` says how many clusters come. */
export async function qcow2Target(
  sink: Sink,
  source: Source,
  virtualSize: number,
): Promise<ClusterTarget> {
  const stored = new Map<number, number>();
  for await (const extent of (await openBackupImage(source)).extents) {
    if (extent.kind === "zero") continue;
    const segment = Math.floor(extent.first / clustersPerSegment);
    stored.set(segment, (stored.get(segment) ?? 0) + extent.count);
  }
  const dataClusters = [...stored].map(([segment, clusters]) => ({ segment, clusters }));
  const stream = new Qcow2Stream(predictLayout({ virtualSize, dataClusters, compression: "none" }));
  sink.writeAt(stream.header().bytes, 0);
  return {
    put(first, bytes) {
      const { offset, before } = stream.placeRun(first, bytes.length / clusterSize);
      for (const chunk of before) sink.writeAt(chunk.bytes, chunk.offset);
      sink.writeAt(bytes, offset);
    },
    finish() {
      const { chunks, correctedHeader, fileSize } = stream.finish();
      for (const chunk of chunks) sink.writeAt(chunk.bytes, chunk.offset);
      if (correctedHeader) sink.writeAt(correctedHeader.bytes, 0);
      sink.truncate(fileSize);
    },
  };
}
