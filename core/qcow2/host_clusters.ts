import { VmbError } from "../error.ts";

/**
 * Which clusters of an image file are taken, and by what: one bit each, for two kinds of owners.
 */
export class HostClusters {
  readonly #clusterSize: number;
  readonly #fileSize: number;
  readonly #owned: Uint8Array;
  readonly #shared: Uint8Array;

  constructor(clusterSize: number, fileSize: number) {
    this.#clusterSize = clusterSize;
    this.#fileSize = fileSize;
    const bytes = Math.ceil(Math.ceil(fileSize / clusterSize) / 8);
    this.#owned = new Uint8Array(bytes);
    this.#shared = new Uint8Array(bytes);
  }

  /**
   * Takes the clusters from `offset` on for one owner, here named as `what`.
   *
   * @throws {VmbError} `qcow2.image` when they are outside the file, not aligned or taken
   */
  take(what: string, offset: number, length: number): void {
    if (offset % this.#clusterSize !== 0) {
      throw imageInvalid(what, `offset ${offset}: expected a multiple of ${this.#clusterSize}`);
    }
    this.#each(what, offset, length, (byte, bit) => {
      const free = ((this.#owned[byte] ?? 0) | (this.#shared[byte] ?? 0)) & bit;
      this.#owned[byte] = (this.#owned[byte] ?? 0) | bit;
      return free === 0;
    });
  }

  /** As `take`, for metadata: that is in the file to its last byte. */
  takeWhole(what: string, offset: number, length: number): void {
    if (offset + length > this.#fileSize) throw this.#outside(what, offset, length);
    this.take(what, offset, length);
  }

  /**
   * Takes the clusters that compressed data touches; other compressed data may touch them too.
   *
   * @throws {VmbError} `qcow2.image` when they are outside the file, or taken by something else
   */
  share(what: string, offset: number, length: number): void {
    this.#each(what, offset, length, (byte, bit) => {
      this.#shared[byte] = (this.#shared[byte] ?? 0) | bit;
      return ((this.#owned[byte] ?? 0) & bit) === 0;
    });
  }

  #each(
    what: string,
    offset: number,
    length: number,
    claim: (byte: number, bit: number) => boolean,
  ): void {
    const first = Math.floor(offset / this.#clusterSize);
    const last = Math.floor((offset + length - 1) / this.#clusterSize);
    // qemu may leave the last cluster of a file short; its rest reads as zeros.
    if (last >= Math.ceil(this.#fileSize / this.#clusterSize)) {
      throw this.#outside(what, offset, length);
    }
    for (let cluster = first; cluster <= last; cluster++) {
      if (!claim(Math.floor(cluster / 8), 1 << cluster % 8)) {
        throw imageInvalid(
          what,
          `${length} bytes at ${offset}: cluster ${cluster} of the file is in use by something else`,
        );
      }
    }
  }

  #outside(what: string, offset: number, length: number): VmbError {
    return imageInvalid(
      what,
      `${length} bytes at ${offset}: expected to end within the file of ${this.#fileSize} bytes`,
    );
  }
}

/** The error for an image that contradicts itself; `what` names the part of it. */
export function imageInvalid(what: string, found: string): VmbError {
  return new VmbError(`Reading of the qcow2 image failed: ${what}: ${found}`, {
    code: "qcow2.image",
  });
}
