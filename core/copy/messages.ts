import { clusterSize } from "../qcow2/cluster.ts";
import type { Compression, Layout } from "../qcow2/layout.ts";
import type { Seed } from "../block_map/cluster_digest.ts";
import type { Below } from "../sys/files.ts";
import type { ErrorReport } from "../sys/thread_error.ts";

/** Bytes of guest data in one message of the copy; a multiple of the cluster, so none is ever split. */
export const chunkSize = 1024 * 1024;

export const clustersPerChunk = chunkSize / clusterSize;

/**
 * What a cluster is: all zeros; data that is to be stored; or the same as in the backup that the image stands
 * on. Only zeros have no place in the block map, and only data has one in the image.
 */
export const verdicts = { zero: 0, data: 1, same: 2 } as const;

/** main -> digest: what to do with all chunks that follow, and where they go next. */
export interface DigestStart {
  readonly kind: "start";
  readonly compression: Compression;
  readonly seed: Seed;
  readonly next: MessagePort;
}

/** main -> digest: guest data as it was read. */
export interface ReadChunk {
  readonly kind: "chunk";
  /** 0, 1, 2, ... in guest order: digest threads run side by side, the store thread sorts. */
  readonly sequence: number;
  readonly firstCluster: number;
  /** Clusters in the buffer; the last one is padded with zeros. */
  readonly clusters: number;
  readonly buffer: ArrayBuffer;
}

/** digest -> store: the same data, judged. */
export interface DigestedChunk {
  readonly kind: "chunk";
  readonly sequence: number;
  readonly firstCluster: number;
  readonly clusters: number;
  /** The buffer of the `ReadChunk`: what is to be stored, cluster after cluster; later a free buffer. */
  readonly buffer: ArrayBuffer;
  /** One of `verdicts` for each cluster. */
  readonly verdicts: Uint8Array<ArrayBuffer>;
  /** Bytes to store of each cluster that is data: `clusterSize` when it is stored as it is. */
  readonly stored: Uint32Array<ArrayBuffer>;
  /** The digest of each cluster, 16 bytes; of a cluster that is all zero they mean nothing. */
  readonly digests: Uint8Array<ArrayBuffer>;
  /** Milliseconds that the thread has worked so far. */
  readonly busyMs: number;
}

/** main -> store. */
export interface StoreStart extends Below {
  readonly kind: "start";
  readonly imagePath: string;
  readonly blockMapPath: string;
  readonly layout: Layout;
  /** Bytes, to the byte: an image rounds it up to sectors, the block map does not. */
  readonly virtualSize: number;
  readonly seed: Seed;
  /** One port for each digest thread. */
  readonly inputs: readonly MessagePort[];
  /** To the thread that makes the SHA-256 of what is sent, if one is wanted. */
  readonly hash: MessagePort | undefined;
}

/** main -> store: this many chunks were sent, and no more will come. */
export interface StoreEnd {
  readonly kind: "end";
  readonly chunks: number;
}

/** store -> main. */
export type StoreMessage =
  | {
    /** The chunk is in the file, not yet durable. */
    readonly kind: "stored";
    /** It is free, unless the hash thread has it. */
    readonly buffer: ArrayBuffer | undefined;
    readonly guestClusters: number;
    /** Bytes of the image so far. */
    readonly position: number;
  }
  | { readonly kind: "done"; readonly result: StoredImage; readonly busy: Busy }
  | { readonly kind: "failed"; readonly error: ErrorReport };

/** Milliseconds that the threads of a copy were at work, not waiting. */
export interface Busy {
  /** Of the busiest one that judges clusters. */
  readonly digestMs: number;
  readonly storeMs: number;
}

/** A part of the image as it was sent: bytes of the chunk's buffer, or others. */
export type SentPart =
  | { readonly from: number; readonly to: number }
  | { readonly bytes: Uint8Array<ArrayBuffer> };

/** store -> hash: what was sent, in order. */
export type HashMessage =
  | { readonly kind: "sent"; readonly parts: readonly SentPart[]; readonly buffer?: ArrayBuffer }
  | { readonly kind: "zeros"; readonly length: number }
  | { readonly kind: "end" };

/** hash -> main. */
export type HashedMessage =
  | { readonly kind: "free"; readonly buffer: ArrayBuffer }
  | { readonly kind: "done"; readonly sha256: string };

/** What was written, and is durable. */
export interface StoredImage {
  readonly fileSize: number;
  /** The digests of the file as it is now to be (see `FileDigest`). */
  readonly fileDigests: Uint8Array<ArrayBuffer>;
  /** Another first cluster took the place of the one that was sent at first. */
  readonly corrected: boolean;
  readonly storedBytes: number;
  readonly blockMapSize: number;
  readonly blockMapSha256: string;
  /** SHA-256 over the block map's header and table. */
  readonly contentDigest: string;
}
