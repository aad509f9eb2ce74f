/** Bytes and where they go in the image file. The bytes belong to whoever receives them. */
export interface Chunk {
  /** Bytes from the start of the file. */
  readonly offset: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}
