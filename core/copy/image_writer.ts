import { createHash } from "node:crypto";
import { createClusterDigest, digestLength } from "../block_map/cluster_digest.ts";
import { BlockMapEncoder } from "../block_map/encoder.ts";
import { FileDigest } from "../block_map/file_digest.ts";
import type { Chunk } from "../qcow2/chunk.ts";
import { clusterSize } from "../qcow2/cluster.ts";
import { Qcow2Stream } from "../qcow2/stream.ts";
import { createSink, type Sink } from "../sys/files.ts";
import {
  type DigestedChunk,
  type HashMessage,
  type SentPart,
  type StoredImage,
  type StoreStart,
  verdicts,
} from "./messages.ts";

/** What the writer needs to know of a copy. */
export type ImagePlan = Pick<
  StoreStart,
  "imagePath" | "blockMapPath" | "below" | "layout" | "virtualSize" | "seed"
>;

/** Writes one image and its block map, both front to back. */
export class ImageWriter {
  readonly #stream: Qcow2Stream;
  readonly #map: BlockMapEncoder;
  readonly #image: Sink;
  readonly #digest: FileDigest;
  readonly #mapFile: Sink;
  readonly #mapHash = createHash("sha256");
  #sent: SentPart[] = [];
  #position = 0;
  #mapSize = 0;
  #storedBytes = 0;

  static async create(plan: ImagePlan): Promise<ImageWriter> {
    const digest = new FileDigest(await createClusterDigest(plan.seed));
    return new ImageWriter(plan, digest, {
      image: await createSink(plan.imagePath, plan),
      map: await createSink(plan.blockMapPath, plan),
    });
  }

  constructor(
    { layout, virtualSize, seed }: ImagePlan,
    digest: FileDigest,
    sinks: { readonly image: Sink; readonly map: Sink },
  ) {
    this.#stream = new Qcow2Stream(layout);
    this.#map = new BlockMapEncoder({ virtualSize, seed });
    this.#digest = digest;
    this.#image = sinks.image;
    this.#mapFile = sinks.map;
    this.#append(this.#stream.header().bytes);
    this.#appendToMap(this.#map.header());
  }

  /** Bytes of the image so far. */
  get position(): number {
    return this.#position;
  }

  /** What was written since this was last asked, as parts of the chunk that came last. */
  takeSent(): readonly SentPart[] {
    const sent = this.#sent;
    this.#sent = [];
    return sent;
  }

  /** Places a chunk's clusters in the map, and stores those that are data; chunks come in guest order. */
  add(chunk: DigestedChunk): void {
    let at = 0;
    for (let index = 0; index < chunk.clusters;) {
      const from = index;
      const bytes = storedBytes(chunk, index);
      do this.#place(chunk, index++); while (
        bytes === clusterSize && index < chunk.clusters && storedBytes(chunk, index) === clusterSize
      );
      if (bytes === 0) continue;
      const first = chunk.firstCluster + from;
      const { before } = bytes === clusterSize
        ? this.#stream.placeRun(first, index - from)
        : this.#stream.place(first, bytes);
      for (const { bytes } of before) this.#append(bytes);
      const end = at + (index - from) * bytes;
      this.#appendData(
        chunk,
        at,
        end,
        bytes === clusterSize ? digestsOf(chunk, from, index) : undefined,
      );
      at = end;
    }
  }

  /**
   * Writes what comes after the last data, makes both files durable, and closes them.
   *
   * @param onSent gets what is sent, for whoever hashes it
   */
  finish(onSent: (message: HashMessage) => void = () => {}): StoredImage {
    const ending = this.#stream.finish();
    for (const { offset, bytes } of ending.chunks) {
      if (offset > this.#position) this.#skip(offset - this.#position, onSent);
      this.#append(bytes);
      onSent({ kind: "sent", parts: this.takeSent() });
    }
    if (ending.correctedHeader) this.#correct(ending.correctedHeader);
    for (const bytes of this.#map.finish()) this.#appendToMap(bytes);
    for (const sink of [this.#image, this.#mapFile]) {
      sink.sync();
      sink.close();
    }
    return {
      fileSize: ending.fileSize,
      fileDigests: this.#digest.finish(),
      corrected: ending.correctedHeader !== undefined,
      storedBytes: this.#storedBytes,
      blockMapSize: this.#mapSize,
      blockMapSha256: this.#mapHash.digest("hex"),
      contentDigest: this.#map.contentDigest(),
    };
  }

  #place(chunk: DigestedChunk, index: number): void {
    if (chunk.verdicts[index] === verdicts.zero) return;
    const record = this.#map.add(chunk.firstCluster + index, digestsOf(chunk, index, index + 1));
    if (record) this.#appendToMap(record);
  }

  #append(bytes: Uint8Array<ArrayBuffer>): void {
    this.#write(bytes, undefined);
    this.#sent.push({ bytes });
  }

  #appendData(chunk: DigestedChunk, from: number, to: number, digests?: Uint8Array): void {
    this.#write(new Uint8Array(chunk.buffer, from, to - from), digests);
    this.#sent.push({ from, to });
    this.#storedBytes += to - from;
  }

  #write(bytes: Uint8Array, digests: Uint8Array | undefined): void {
    this.#image.writeAt(bytes, this.#position);
    this.#digest.add(bytes, digests);
    this.#position += bytes.length;
  }

  /** Leaves a hole: nothing is written, and its zeros are hashed. */
  #skip(length: number, onSent: (message: HashMessage) => void): void {
    this.#digest.skip(length);
    this.#position += length;
    onSent({ kind: "sent", parts: this.takeSent() });
    onSent({ kind: "zeros", length });
  }

  #correct({ bytes }: Chunk): void {
    this.#image.writeAt(bytes, 0);
    this.#digest.replaceFirst(bytes);
  }

  #appendToMap(bytes: Uint8Array): void {
    this.#mapFile.writeAt(bytes, this.#mapSize);
    this.#mapHash.update(bytes);
    this.#mapSize += bytes.length;
  }
}

/** Only what is data is stored. */
function storedBytes({ verdicts: judged, stored }: DigestedChunk, index: number): number {
  return judged[index] === verdicts.data ? stored[index] ?? 0 : 0;
}

function digestsOf({ digests }: DigestedChunk, from: number, end: number): Uint8Array {
  return digests.subarray(from * digestLength, end * digestLength);
}
