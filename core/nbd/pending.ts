import type { VmbError } from "../error.ts";
import type { ByteReader } from "./byte_reader.ts";
import type { Coverage } from "./coverage.ts";
import type { NbdPeer } from "./failure.ts";
import type { NbdExport } from "./handshake.ts";

/** A run of an export with one status; what `flags` mean is up to the metadata context. */
export interface Extent {
  /** Bytes from the start of the export. */
  readonly offset: number;
  /** Bytes; never 0. */
  readonly length: number;
  readonly flags: number;
}

/** What requests of every kind have. */
export interface PendingBase {
  /** Bytes from the start of the export. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
  /** The first error chunk; the request fails with it when the reply is complete. */
  failure: VmbError | undefined;
  /** Error chunks so far. */
  errors: number;
  resolve(): void;
  reject(reason: unknown): void;
}

export interface PendingRead extends PendingBase {
  readonly kind: "read";
  readonly target: Uint8Array<ArrayBuffer>;
  readonly coverage: Coverage;
}

export interface PendingBlockStatus extends PendingBase {
  readonly kind: "block status";
  /** Extents by the id of their metadata context, as far as the server has sent them. */
  readonly extents: Map<number, readonly Extent[]>;
}

/** A request whose reply is not complete. */
export type PendingRequest = PendingRead | PendingBlockStatus;

/** The receiving side of a connection in the transmission phase. */
export interface ReplyStream {
  readonly reader: ByteReader;
  readonly peer: NbdPeer;
  readonly export: NbdExport;
  /** Requests without a complete reply, by cookie. */
  readonly pending: Map<number, PendingRequest>;
}

/** A request as messages name it. */
export function showRequest({ kind, offset, length }: PendingRequest): string {
  return `${kind} of ${length} bytes at offset ${offset}`;
}
