import { VmbError } from "../error.ts";
import type { Connection, Network } from "../sys/network.ts";
import { ByteReader } from "./byte_reader.ts";
import { Coverage } from "./coverage.ts";
import type { NbdBlockSize, NbdTransmissionFlags } from "./export_info.ts";
import {
  connectFailure,
  disconnectFailure,
  handshakeFailure,
  type NbdPeer,
  requestFailure,
  textOf,
} from "./failure.ts";
import { type NbdExport, shakeHands } from "./handshake.ts";
import type { Extent, PendingBase, PendingRequest } from "./pending.ts";
import { requestTypes } from "./protocol.ts";
import { readReply } from "./reply.ts";
import { encodeRequest } from "./request.ts";
import { RequestWriter } from "./request_writer.ts";

export interface NbdConnectOptions {
  readonly network: Pick<Network, "connectUnix">;
  readonly socketPath: string;
  readonly exportName: string;
  /** Metadata contexts to ask for: `base:allocation`, `qemu:dirty-bitmap:backup-vda`. */
  readonly metaContexts?: readonly string[];
  /** Ends the connection, whatever it is doing; requests then reject with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds until transmission must have begun; default 30 s. */
  readonly handshakeTimeoutMs?: number;
  /**
   * Takes the socket over as soon as it is open. The client then neither closes it nor says goodbye, whatever
   * goes wrong, and reads it to its end: a server must never wait for somebody who has stopped to listen.
   */
  readonly keep?: ((connection: Connection) => void) | undefined;
}

/**
 * Connects to an export of an NBD server on a unix socket, by the protocol of nbd/doc/proto.md.
 *
 * A server without structured replies, or without a metadata context, is no error: `contexts` of the
 * client tells what was agreed.
 *
 * @throws {VmbError} `nbd.connect` when nobody listens; `nbd.handshake` when the server refuses, lacks
 *   what is needed or does not answer in time; `nbd.protocol` when it breaks the rules;
 *   `nbd.disconnected` when it goes away; the signal's reason when aborted
 */
export async function connectNbd(options: NbdConnectOptions): Promise<NbdClient> {
  const { network, socketPath, exportName, metaContexts = [], signal } = options;
  const { handshakeTimeoutMs = 30_000, keep } = options;
  signal?.throwIfAborted();
  const peer = { socketPath, exportName };
  const stopped = Promise.withResolvers<never>();
  const abort = () => stopped.reject(signal?.reason);
  signal?.addEventListener("abort", abort, { once: true });
  const timer = setTimeout(() => {
    const seconds = handshakeTimeoutMs / 1000;
    stopped.reject(handshakeFailure(peer, `the server gave no answer within ${seconds} s`));
  }, handshakeTimeoutMs);
  const opening = network.connectUnix(socketPath).catch((error) => {
    throw connectFailure(peer, error);
  });
  if (keep !== undefined) opening.then(keep, () => {});
  try {
    const connection = await Promise.race([opening, stopped.promise]);
    const reader = new ByteReader(connection, peer);
    const agreed = await Promise.race([
      shakeHands({ connection, reader, peer }, metaContexts),
      stopped.promise,
    ]);
    signal?.throwIfAborted();
    const kept = keep !== undefined;
    return new NbdClient({ connection, reader, peer, export: agreed, signal, kept });
  } catch (error) {
    if (keep === undefined) opening.then((connection) => connection.close(), () => {});
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

/** The most bytes that one request for block status asks for; every block size divides it. */
const longestStatus = 2 ** 31;

/** A connection whose handshake is done. */
export interface NbdSession {
  readonly connection: Connection;
  readonly reader: ByteReader;
  readonly peer: NbdPeer;
  readonly export: NbdExport;
  readonly signal: AbortSignal | undefined;
  /** Somebody else closes the socket. */
  readonly kept: boolean;
}

/**
 * An export, open for reading. Any number of requests may be in flight; each settles when its own reply
 * is complete. The first thing that goes wrong with the connection ends it: every pending request, and
 * every later one, rejects with that one error.
 */
export class NbdClient {
  /** Bytes. */
  readonly size: number;
  readonly flags: NbdTransmissionFlags;
  readonly blockSize: NbdBlockSize;
  /** Name of each negotiated metadata context, with the id that the server gave it. */
  readonly contexts: ReadonlyMap<string, number>;

  readonly #peer: NbdPeer;
  readonly #connection: Connection;
  readonly #writer: RequestWriter;
  readonly #pending = new Map<number, PendingRequest>();
  readonly #unlisten: () => void;
  readonly #kept: boolean;
  #lastCookie = 0;
  /** Why no further request is taken. */
  #ended: { readonly reason: unknown } | undefined;
  #leaving: Promise<void> | undefined;
  #closed = false;

  constructor(session: NbdSession) {
    const { connection, reader, peer, signal } = session;
    ({ size: this.size, flags: this.flags, blockSize: this.blockSize } = session.export);
    this.contexts = session.export.contexts;
    this.#peer = peer;
    this.#connection = connection;
    this.#kept = session.kept;
    this.#writer = new RequestWriter(connection, (cause) => {
      this.destroy(disconnectFailure(peer, textOf(cause), cause));
    });
    const abort = () => this.destroy(signal?.reason);
    signal?.addEventListener("abort", abort, { once: true });
    this.#unlisten = () => signal?.removeEventListener("abort", abort);
    this.#receive(reader, session.export);
  }

  /**
   * Fills `target` with the bytes of the export from `offset` on. The target belongs to the connection
   * until the promise settles. A target longer than `blockSize.maximum` is read by several requests.
   *
   * @param offset bytes; a multiple of `blockSize.minimum`, as is the length of `target` unless the
   *   range ends where the export ends
   * @throws {VmbError} `nbd.remote` with the server's error; `nbd.request` for a range that the server
   *   cannot serve; the reason for which the connection ended
   */
  read(offset: number, target: Uint8Array<ArrayBuffer>): Promise<void> {
    const refused = this.#refusal(offset, target.length);
    if (refused !== undefined) return Promise.reject(refused.reason);
    const { maximum } = this.blockSize;
    if (target.length === 0) return Promise.resolve();
    if (target.length <= maximum) return this.#readOnce(offset, target);
    const parts: Promise<void>[] = [];
    for (let at = 0; at < target.length; at += maximum) {
      parts.push(this.#readOnce(offset + at, target.subarray(at, at + maximum)));
    }
    return settleAll(parts);
  }

  /**
   * Asks for the status of a range in one metadata context.
   *
   * @param offset bytes, a multiple of `blockSize.minimum`
   * @param length bytes, at least 1, aligned like that of a read; more than 2 GiB are cut to 2 GiB
   * @returns adjoining extents from `offset` on: at least one, perhaps less than was asked for
   * @throws {VmbError} as `read` does; `nbd.request` when the context was not negotiated
   */
  async blockStatus(context: string, offset: number, length: number): Promise<readonly Extent[]> {
    const refused = this.#refusal(offset, length);
    if (refused !== undefined) throw refused.reason;
    const id = this.contexts.get(context);
    if (id === undefined) {
      throw requestFailure(this.#peer, `metadata context "${context}" was not negotiated`);
    }
    if (length === 0) throw requestFailure(this.#peer, "block status of 0 bytes");
    const extents = new Map<number, readonly Extent[]>();
    const asked = Math.min(length, longestStatus);
    await this.#send(requestTypes.NBD_CMD_BLOCK_STATUS, offset, asked, (common) => ({
      kind: "block status",
      extents,
      ...common,
    }));
    return extents.get(id) ?? [];
  }

  /**
   * Tells the server that we leave (`NBD_CMD_DISC`) and closes the connection. Requests that are still
   * pending reject. May be called more than once.
   */
  async disconnect(): Promise<void> {
    await this.#leave(disconnectFailure(this.#peer, "it was closed by the client"));
  }

  /** Ends the connection at once. Every pending request rejects with `error`. */
  destroy(error?: unknown): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#ended ??= {
      reason: error ?? disconnectFailure(this.#peer, "it was closed by the client"),
    };
    this.#unlisten();
    if (!this.#kept) this.#connection.close();
    const { reason } = this.#ended;
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const request of pending) request.reject(reason);
  }

  #readOnce(offset: number, target: Uint8Array<ArrayBuffer>): Promise<void> {
    return this.#send(requestTypes.NBD_CMD_READ, offset, target.length, (common) => ({
      kind: "read",
      target,
      coverage: new Coverage(target.length),
      ...common,
    }));
  }

  #send(
    type: number,
    offset: number,
    length: number,
    describe: (common: PendingBase) => PendingRequest,
  ): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const cookie = ++this.#lastCookie;
    const failures = { failure: undefined, errors: 0 };
    this.#pending.set(cookie, describe({ offset, length, ...failures, resolve, reject }));
    this.#writer.send(encodeRequest({ type, cookie, offset, length }));
    return promise;
  }

  /** Why a request for this range cannot be sent. */
  #refusal(offset: number, length: number): { readonly reason: unknown } | undefined {
    if (this.#ended !== undefined) return this.#ended;
    const { minimum } = this.blockSize;
    const end = offset + length;
    const range = `${length} bytes at offset ${offset}`;
    if (!Number.isSafeInteger(end) || offset < 0 || length < 0 || end > this.size) {
      return {
        reason: requestFailure(this.#peer, `${range} are not within its ${this.size} bytes`),
      };
    }
    if (offset % minimum !== 0 || (end % minimum !== 0 && end !== this.size)) {
      return {
        reason: requestFailure(
          this.#peer,
          `${range} are not aligned to the minimum block size of ${minimum} bytes`,
        ),
      };
    }
    return undefined;
  }

  async #receive(reader: ByteReader, agreed: NbdExport): Promise<void> {
    const stream = { reader, peer: this.#peer, export: agreed, pending: this.#pending };
    try {
      while (true) await readReply(stream);
    } catch (error) {
      // Only NBD_ESHUTDOWN gets here as a remote error, and the document demands a soft disconnect.
      if (error instanceof VmbError && error.code === "nbd.remote") await this.#leave(error);
      this.destroy(error);
    }
    if (this.#kept) await readToEnd(this.#connection);
  }

  #leave(reason: unknown): Promise<void> {
    return this.#leaving ??= this.#sayGoodbye(reason);
  }

  async #sayGoodbye(reason: unknown): Promise<void> {
    if (this.#closed) return;
    this.#ended = { reason };
    if (this.#kept) return this.destroy();
    this.#writer.send(
      encodeRequest({ type: requestTypes.NBD_CMD_DISC, cookie: 0, offset: 0, length: 0 }),
    );
    await this.#writer.flush();
    this.destroy();
  }
}

/** Takes what still comes, until either side closes. */
async function readToEnd(connection: Pick<Connection, "read">): Promise<void> {
  const dropped = new Uint8Array(65_536);
  try {
    while (await connection.read(dropped) !== null);
  } catch {
    // It was closed here.
  }
}

/** Rejects only when the last part has settled: until then the target is still being written to. */
async function settleAll(parts: readonly Promise<void>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(parts)) {
    if (outcome.status === "rejected") throw outcome.reason;
  }
}
