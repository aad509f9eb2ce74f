import { clusterSize } from "../qcow2/cluster.ts";
import type { Compression, Layout } from "../qcow2/layout.ts";
import type { ErrorReport } from "../sys/thread_error.ts";

/** Bytes of guest data in one message of the copy; a multiple of the cluster, so none is ever split. */
export const chunkSize = 1024 * 1024;

export const clustersPerChunk = chunkSize / clusterSize;

/** main -> digest: what to do with all chunks that follow, and where they go next. */
export interface DigestStart {
  readonly kind: "start";
  readonly compression: Compression;
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
  /** Bytes to store of each cluster: 0 when it is all zero, `clusterSize` when it is stored as it is. */
  readonly stored: Uint32Array<ArrayBuffer>;
  /** 32 bytes of SHA-256 for each cluster; of a cluster that is all zero they mean nothing. */
  readonly digests: Uint8Array<ArrayBuffer>;
}

/** main -> store. */
export interface StoreStart {
  readonly kind: "start";
  readonly imagePath: string;
  readonly blockMapPath: string;
  readonly layout: Layout;
  /** Bytes, to the byte: an image rounds it up to sectors, the block map does not. */
  readonly virtualSize: number;
  /** One port for each digest thread. */
  readonly inputs: readonly MessagePort[];
}

/** main -> store: this many chunks were sent, and no more will come. */
export interface StoreEnd {
  readonly kind: "end";
  readonly chunks: number;
}

/** store -> main. */
export type StoreMessage =
  /** The chunk is in the file (not yet durable); its buffer is free. */
  | { readonly kind: "stored"; readonly buffer: ArrayBuffer; readonly guestClusters: number }
  | { readonly kind: "done"; readonly result: StoredImage }
  | { readonly kind: "failed"; readonly error: ErrorReport };

/** What was written, and is durable. */
export interface StoredImage {
  readonly fileSize: number;
  /** SHA-256 of the stream as it was sent: of the file, unless `sentHeader` is there. */
  readonly streamSha256: string;
  /**
   * The first cluster as it was sent, when another one took its place at the end: the file's own SHA-256
   * then needs one more pass.
   */
  readonly sentHeader: Uint8Array<ArrayBuffer> | undefined;
  readonly storedBytes: number;
  readonly blockMapSize: number;
  readonly blockMapSha256: string;
}
