import { clusterSize } from "../qcow2/cluster.ts";
import { type ClusterDigest, digestLength } from "./cluster_digest.ts";

/** Bytes of a file that have one digest. */
export const stretchSize = 4 * 1024 ** 2;

const clustersPerStretch = stretchSize / clusterSize;

/**
 * Digests of a file that is written, or read, front to back: one for each 4 MiB, made of the digests of the
 * clusters of the file in it. So the digest of a guest's cluster that is stored as it is serves here too.
 *
 * Who has sent a file and who has read it compare 16 bytes for each 4 MiB: 4 MiB of memory for a TiB.
 */
export class FileDigest {
  readonly #digest: ClusterDigest;
  readonly #clusters = new Uint8Array(clustersPerStretch * digestLength);
  #inCluster = 0;
  #inStretch = 0;
  /** The first stretch's clusters: the first cluster of the file may be replaced at the end. */
  #first = new Uint8Array(0);
  #stretches = new Uint8Array(1024 * digestLength);
  #length = 0;

  constructor(digest: ClusterDigest) {
    this.#digest = digest;
  }

  /**
   * Adds the bytes that come next.
   *
   * @param known digests of `bytes`, whole clusters at a multiple of the cluster size, where they are known
   */
  add(bytes: Uint8Array, known?: Uint8Array): void {
    if (known !== undefined && this.#inCluster === 0) {
      for (let at = 0; at < known.length; at += digestLength) {
        this.#push(known.subarray(at, at + digestLength));
      }
      return;
    }
    for (let done = 0; done < bytes.length;) {
      const part = bytes.subarray(done, done + clusterSize - this.#inCluster);
      this.#digest.add(part);
      done += part.length;
      this.#inCluster += part.length;
      if (this.#inCluster === clusterSize) this.#endCluster();
    }
  }

  /** Adds so many zeros. */
  skip(length: number): void {
    const zeros = new Uint8Array(clusterSize);
    for (let left = length; left > 0; left -= zeros.length) this.add(zeros.subarray(0, left));
  }

  /** Puts another first cluster in the place of the one that was added. */
  replaceFirst(cluster: Uint8Array): void {
    const first = this.#length > 0 ? this.#first : this.#clusters;
    first.set(this.#digest.of(cluster));
    if (this.#length > 0) this.#stretches.set(this.#digest.of(first));
  }

  /** Ends the file; returns its digests, one after the other. */
  finish(): Uint8Array<ArrayBuffer> {
    if (this.#inCluster > 0) this.#endCluster();
    if (this.#inStretch > 0) this.#endStretch();
    return this.#stretches.slice(0, this.#length);
  }

  #endCluster(): void {
    this.#inCluster = 0;
    this.#push(this.#digest.finish());
  }

  #push(digest: Uint8Array): void {
    this.#clusters.set(digest, this.#inStretch * digestLength);
    if (++this.#inStretch === clustersPerStretch) this.#endStretch();
  }

  #endStretch(): void {
    const clusters = this.#clusters.subarray(0, this.#inStretch * digestLength);
    if (this.#length === 0) this.#first = clusters.slice();
    if (this.#length === this.#stretches.length) {
      const longer = new Uint8Array(2 * this.#length);
      longer.set(this.#stretches);
      this.#stretches = longer;
    }
    this.#stretches.set(this.#digest.of(clusters), this.#length);
    this.#length += digestLength;
    this.#inStretch = 0;
  }
}

/** Where two files first differ, in bytes from their start, to the stretch; `undefined` when they do not. */
export function firstDifference(sent: Uint8Array, read: Uint8Array): number | undefined {
  const length = Math.max(sent.length, read.length);
  for (let at = 0; at < length; at++) {
    if (sent[at] !== read[at]) return Math.floor(at / digestLength) * stretchSize;
  }
  return undefined;
}
