import { createXXHash128 } from "hash-wasm";
import { randomBytes } from "../sys/random.ts";

/** The digest of clusters, as manifest and block map name it. */
export const digestAlgorithm = "xxh3-128";

/** Bytes of a digest. */
export const digestLength = 16;

/**
 * The seed of the digests of one full backup and of all that builds on it: 16 hexadecimal digits, the most
 * significant first. A random one keeps whoever writes in a guest from making two clusters of one digest.
 */
export type Seed = string;

export function randomSeed(): Seed {
  return randomBytes(8).toHex();
}

export function isSeed(text: string): boolean {
  return /^[0-9a-f]{16}$/.test(text);
}

/** Hashes bytes by XXH3, 128 bits, in its canonical form: big endian (xxHash specification, XXH3). */
export interface ClusterDigest {
  /** The digest of `bytes`; nothing may have been added. */
  of(bytes: Uint8Array): Uint8Array;
  /** Adds to bytes whose digest `finish` gives, and which then begin anew. */
  add(bytes: Uint8Array): void;
  finish(): Uint8Array;
}

/** Makes a hasher; it is asynchronous once, for the loading of its code. */
export async function createClusterDigest(seed: Seed): Promise<ClusterDigest> {
  const half = (from: number) => Number.parseInt(seed.slice(from, from + 8), 16);
  const hasher = await createXXHash128(half(8), half(0));
  hasher.init();
  const finish = () => {
    const digest = hasher.digest("binary");
    hasher.init();
    return digest;
  };
  return {
    of(bytes) {
      hasher.update(bytes);
      return finish();
    },
    add: (bytes) => void hasher.update(bytes),
    finish,
  };
}
