import type { VmbError } from "../error.ts";
import { getUint64 } from "./bytes.ts";
import { type NbdPeer, protocolFailure } from "./failure.ts";
import {
  type Extent,
  type PendingBlockStatus,
  type PendingRead,
  type ReplyStream,
  showRequest,
} from "./pending.ts";

/** The most extents that a known server (nbdkit) puts into one reply. */
const mostExtents = 2 ** 20;
const extentLength = 8;

/** Reads the payload of `NBD_REPLY_TYPE_OFFSET_DATA` straight into its place in the target. */
export async function readData(
  { reader, peer }: ReplyStream,
  request: PendingRead,
  length: number,
): Promise<void> {
  if (length < 9) {
    throw protocolFailure(
      peer,
      `NBD_REPLY_TYPE_OFFSET_DATA has ${length} bytes, expected at least 9`,
    );
  }
  const start = getUint64(await reader.take(8), 0) - request.offset;
  const end = start + length - 8;
  if (!request.coverage.add(start, end)) throw misplaced(peer, request, start, end);
  await reader.fill(request.target.subarray(start, end));
}

/** Reads the payload of `NBD_REPLY_TYPE_OFFSET_HOLE` and zeroes its place in the target. */
export async function readHole(
  { reader, peer }: ReplyStream,
  request: PendingRead,
  length: number,
): Promise<void> {
  if (length !== 12) {
    throw protocolFailure(peer, `NBD_REPLY_TYPE_OFFSET_HOLE has ${length} bytes, expected 12`);
  }
  const payload = await reader.take(12);
  const start = getUint64(payload, 0) - request.offset;
  const end = start + payload.getUint32(8);
  if (!request.coverage.add(start, end)) throw misplaced(peer, request, start, end);
  request.target.fill(0, start, end);
}

function misplaced(peer: NbdPeer, request: PendingRead, start: number, end: number): VmbError {
  const range = `${end - start} bytes at offset ${request.offset + start}`;
  return protocolFailure(
    peer,
    `reply to ${showRequest(request)} has ${range}, expected each byte of the request once`,
  );
}

/** Reads the payload of `NBD_REPLY_TYPE_BLOCK_STATUS`, by a bounded count of extents at a time. */
export async function readExtents(
  stream: ReplyStream,
  request: PendingBlockStatus,
  length: number,
): Promise<void> {
  const { reader, peer } = stream;
  const count = (length - 4) / extentLength;
  if (!Number.isInteger(count) || count < 1 || count > mostExtents) {
    throw protocolFailure(
      peer,
      `NBD_REPLY_TYPE_BLOCK_STATUS has ${length} bytes, expected 4 + 8 for each of 1 to ${mostExtents} extents`,
    );
  }
  const id = (await reader.take(4)).getUint32(0);
  if (request.extents.has(id) || ![...stream.export.contexts.values()].includes(id)) {
    throw protocolFailure(
      peer,
      `NBD_REPLY_TYPE_BLOCK_STATUS for metadata context ${id}, expected each negotiated one once`,
    );
  }
  const extents: Extent[] = [];
  let offset = request.offset;
  for (let left = count; left > 0;) {
    const batch = Math.min(left, 512);
    const view = await reader.take(batch * extentLength);
    for (let at = 0; at < view.byteLength; at += extentLength) {
      const extent = { offset, length: view.getUint32(at), flags: view.getUint32(at + 4) };
      extents.push(checkExtent(stream, request, extent));
      offset += extent.length;
    }
    left -= batch;
  }
  request.extents.set(id, extents);
}

/** The last extent may reach beyond the request: what is told of there is not asked for, and cut off. */
function checkExtent(
  { peer, export: { size, blockSize } }: ReplyStream,
  request: PendingBlockStatus,
  extent: Extent,
): Extent {
  const { offset, length, flags } = extent;
  const end = request.offset + request.length;
  if (length === 0 || offset >= end) {
    throw protocolFailure(
      peer,
      `reply to ${showRequest(request)} has an extent of ${length} bytes at offset ${offset}`,
    );
  }
  if (offset + length >= end) return { offset, length: end - offset, flags };
  if ((offset + length) % blockSize.minimum !== 0) {
    throw protocolFailure(
      peer,
      `extent at offset ${offset} of ${size} has ${length} bytes, expected a multiple of ${blockSize.minimum}`,
    );
  }
  return extent;
}
