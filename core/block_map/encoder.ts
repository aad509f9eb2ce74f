import { createHash } from "node:crypto";
import { VmbError } from "../error.ts";
import { clusterCount, clustersPerSegment } from "../qcow2/cluster.ts";
import { digestLength } from "./cluster_digest.ts";
import {
  digestsAt,
  encodeHeader,
  type MapHeader,
  recordHead,
  recordLength,
  segmentCount,
  tableEntryLength,
  tableHead,
  tableLength,
  tableMagic,
} from "./format.ts";

/**
 * Encodes a block map piece by piece, in the order of the file (format.ts). Memory is one record, and 40 bytes
 * for each 512 MiB of the disk.
 */
export class BlockMapEncoder {
  readonly #header: Uint8Array<ArrayBuffer>;
  readonly #clusters: number;
  readonly #record = new Uint8Array(recordLength(clustersPerSegment));
  readonly #table: Uint8Array<ArrayBuffer>;
  #segment = -1;
  #next = 0;
  #inRecord = 0;
  #digests = 0;

  constructor(header: MapHeader) {
    this.#header = encodeHeader(header);
    this.#clusters = clusterCount(header.virtualSize);
    this.#table = new Uint8Array(tableLength(header.virtualSize));
    const view = new DataView(this.#table.buffer);
    this.#table.set(new TextEncoder().encode(tableMagic));
    view.setBigUint64(8, BigInt(segmentCount(header.virtualSize)));
  }

  /** Returns the first bytes of the map. */
  header(): Uint8Array<ArrayBuffer> {
    return this.#header;
  }

  /**
   * Adds a cluster that is not all zeros, behind those added before; `digest` is copied.
   *
   * Returns the record of the segment before, when this cluster is the first of a new one.
   *
   * @throws {VmbError} `block-map.order` for a cluster out of order or outside the disk,
   *   `block-map.digest` for a digest of other length
   */
  add(cluster: number, digest: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
    if (!Number.isInteger(cluster) || cluster < this.#next || cluster >= this.#clusters) {
      throw new VmbError(
        `Adding cluster ${cluster} to the block map failed: expected ${this.#next} to ${
          this.#clusters - 1
        }`,
        { code: "block-map.order" },
      );
    }
    if (digest.length !== digestLength) {
      throw new VmbError(
        `Adding cluster ${cluster} to the block map failed: digest of ${digest.length} bytes: expected ${digestLength}`,
        { code: "block-map.digest" },
      );
    }
    const segment = Math.floor(cluster / clustersPerSegment);
    const finished = segment === this.#segment ? undefined : this.#endRecord();
    this.#segment = segment;
    this.#next = cluster + 1;
    const index = cluster % clustersPerSegment;
    const at = recordHead + (index >> 3);
    this.#record[at] = (this.#record[at] ?? 0) | 1 << (index & 7);
    this.#record.set(digest, digestsAt + this.#inRecord * digestLength);
    this.#inRecord += 1;
    return finished;
  }

  /** Returns the rest of the map: the last record, if there is any, and the table. */
  finish(): readonly Uint8Array<ArrayBuffer>[] {
    const last = this.#endRecord();
    this.#next = this.#clusters;
    new DataView(this.#table.buffer).setBigUint64(16, BigInt(this.#digests));
    return last === undefined ? [this.#table] : [last, this.#table];
  }

  /** The content digest of the disk, in hexadecimal, once the map is finished. */
  contentDigest(): string {
    return createHash("sha256").update(this.#header).update(this.#table).digest("hex");
  }

  #endRecord(): Uint8Array<ArrayBuffer> | undefined {
    if (this.#inRecord === 0) return undefined;
    const view = new DataView(this.#record.buffer);
    view.setBigUint64(0, BigInt(this.#segment));
    view.setBigUint64(8, BigInt(this.#inRecord));
    const bytes = this.#record.slice(0, recordLength(this.#inRecord));
    const entry = tableHead + this.#segment * tableEntryLength;
    new DataView(this.#table.buffer).setBigUint64(entry, BigInt(this.#inRecord));
    this.#table.set(createHash("sha256").update(bytes).digest(), entry + 8);
    this.#record.fill(0, recordHead, digestsAt);
    this.#digests += this.#inRecord;
    this.#inRecord = 0;
    return bytes;
  }
}
