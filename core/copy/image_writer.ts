import { createHash, type Hash } from "node:crypto";
import type { Chunk } from "../qcow2/chunk.ts";
import { clusterSize } from "../qcow2/cluster.ts";
import { Qcow2Stream } from "../qcow2/stream.ts";
import { createSink, type Sink } from "../sys/files.ts";
import { BlockMapEncoder } from "./block_map.ts";
import type { DigestedChunk, StoredImage, StoreStart } from "./messages.ts";

/** A file that is written front to back, and hashed as it is sent. */
interface HashedFile {
  readonly sink: Sink;
  readonly hash: Hash;
  size: number;
}

/** Writes one image and its block map, both as sequential streams. */
export class ImageWriter {
  readonly #stream: Qcow2Stream;
  readonly #map: BlockMapEncoder;
  readonly #image: HashedFile;
  readonly #mapFile: HashedFile;
  readonly #sentHeader: Chunk;
  #storedBytes = 0;

  static async create(start: StoreStart): Promise<ImageWriter> {
    return new ImageWriter(
      start,
      await createSink(start.imagePath),
      await createSink(start.blockMapPath),
    );
  }

  constructor({ layout, virtualSize }: StoreStart, image: Sink, mapFile: Sink) {
    this.#stream = new Qcow2Stream(layout);
    this.#map = new BlockMapEncoder(virtualSize);
    this.#image = { sink: image, hash: createHash("sha256"), size: 0 };
    this.#mapFile = { sink: mapFile, hash: createHash("sha256"), size: 0 };
    this.#sentHeader = this.#stream.header();
    append(this.#image, this.#sentHeader.bytes);
    append(this.#mapFile, this.#map.header());
  }

  /** Stores what a chunk has besides zeros; chunks come in guest order. */
  add(chunk: DigestedChunk): void {
    const data = new Uint8Array(chunk.buffer);
    let at = 0;
    for (let index = 0; index < chunk.clusters;) {
      const bytes = chunk.stored[index] ?? 0;
      const from = index;
      do {
        this.#note(chunk, index);
        index++;
      } while (
        bytes === clusterSize && index < chunk.clusters && chunk.stored[index] === clusterSize
      );
      if (bytes === 0) continue;
      const first = chunk.firstCluster + from;
      const { before } = bytes === clusterSize
        ? this.#stream.placeRun(first, index - from)
        : this.#stream.place(first, bytes);
      const end = at + (index - from) * bytes;
      this.#append(before, data.subarray(at, end));
      at = end;
    }
  }

  /** Writes what comes after the last data, makes both files durable, and closes them. */
  finish(): StoredImage {
    const ending = this.#stream.finish();
    for (const { offset, bytes } of ending.chunks) {
      if (offset > this.#image.size) skip(this.#image, offset - this.#image.size);
      append(this.#image, bytes);
    }
    if (ending.correctedHeader) this.#image.sink.writeAt(ending.correctedHeader.bytes, 0);
    for (const bytes of this.#map.finish()) append(this.#mapFile, bytes);
    for (const { sink } of [this.#image, this.#mapFile]) {
      sink.sync();
      sink.close();
    }
    return {
      fileSize: ending.fileSize,
      streamSha256: this.#image.hash.digest("hex"),
      sentHeader: ending.correctedHeader && this.#sentHeader.bytes,
      storedBytes: this.#storedBytes,
      blockMapSize: this.#mapFile.size,
      blockMapSha256: this.#mapFile.hash.digest("hex"),
    };
  }

  #note(chunk: DigestedChunk, index: number): void {
    if (chunk.stored[index] === 0) return;
    const finished = this.#map.add(
      chunk.firstCluster + index,
      chunk.digests.subarray(index * 32, (index + 1) * 32),
    );
    if (finished) append(this.#mapFile, finished);
  }

  #append(before: readonly Chunk[], data: Uint8Array): void {
    for (const { bytes } of before) append(this.#image, bytes);
    append(this.#image, data);
    this.#storedBytes += data.length;
  }
}

function append(file: HashedFile, bytes: Uint8Array): void {
  file.sink.writeAt(bytes, file.size);
  file.hash.update(bytes);
  file.size += bytes.length;
}

const zeros = new Uint8Array(1024 * 1024);

/** Leaves a hole: nothing is written, and its zeros are hashed. */
function skip(file: HashedFile, length: number): void {
  for (let left = length; left > 0; left -= zeros.length) {
    file.hash.update(left < zeros.length ? zeros.subarray(0, left) : zeros);
  }
  file.size += length;
}
