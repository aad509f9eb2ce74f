import { decodeText, getUint64 } from "./bytes.ts";
import { protocolFailure, quoteServerText, remoteFailure } from "./failure.ts";
import { type PendingRequest, type ReplyStream, showRequest } from "./pending.ts";
import { describeError, errorValues, hex, limits, replyTypes } from "./protocol.ts";

const longestErrorPayload = 4 + 2 + limits.string + 8;
/** Far more than any server says; without a bound, errors without an end would never settle a request. */
const mostErrorChunks = 4096;

/**
 * Reads the payload of an error chunk, which is to fail its request. Chunks of every type begin alike; of
 * a type that the document does not name, the rest is skipped.
 */
export async function readError(
  stream: ReplyStream,
  request: PendingRequest,
  type: number,
  length: number,
): Promise<void> {
  const { reader, peer } = stream;
  const withOffset = type === replyTypes.NBD_REPLY_TYPE_ERROR_OFFSET;
  const fixed = withOffset ? 14 : 6;
  const chunk = `error chunk ${hex(type)} of ${length} bytes`;
  if (length < fixed || length > longestErrorPayload) {
    throw protocolFailure(
      peer,
      `${chunk}, expected ${fixed} to ${longestErrorPayload} bytes`,
    );
  }
  const payload = await reader.take(length);
  const error = payload.getUint32(0);
  const textLength = payload.getUint16(4);
  if (textLength > length - fixed || error === 0) {
    throw protocolFailure(peer, `${chunk} has error ${error} with ${textLength} bytes of text`);
  }
  let detail = describeError(error);
  if (withOffset) {
    const offset = getUint64(payload, 6 + textLength);
    if (offset < request.offset || offset >= request.offset + request.length) {
      throw protocolFailure(
        peer,
        `error at offset ${offset} in the reply to ${showRequest(request)}`,
      );
    }
    detail += ` at offset ${offset}`;
  }
  if (textLength > 0) {
    const text = new DataView(payload.buffer, payload.byteOffset + 6, textLength);
    detail += `: ${quoteServerText(decodeText(text))}`;
  }
  failRequest(stream, request, error, detail);
}

/**
 * Marks a request as failed with an error value of the server.
 *
 * @throws {VmbError} `nbd.remote` when the server is being shut down, which is the end of all requests
 */
export function failRequest(
  { peer }: ReplyStream,
  request: PendingRequest,
  error: number,
  detail: string,
): void {
  const failure = remoteFailure(peer, showRequest(request), detail);
  if (error === errorValues.NBD_ESHUTDOWN) throw failure;
  if (++request.errors > mostErrorChunks) {
    throw protocolFailure(
      peer,
      `more than ${mostErrorChunks} errors in the reply to ${showRequest(request)}`,
    );
  }
  request.failure ??= failure;
}
