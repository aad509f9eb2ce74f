import { getUint64 } from "./bytes.ts";
import { readData, readExtents, readHole } from "./content_chunk.ts";
import { failRequest, readError } from "./error_chunk.ts";
import { protocolFailure } from "./failure.ts";
import { type PendingRequest, type ReplyStream, showRequest } from "./pending.ts";
import {
  describeError,
  hex,
  magics,
  NBD_REPLY_TYPE_FLAG_ERROR,
  replyFlags,
  replyTypes,
} from "./protocol.ts";

/**
 * Reads one message and settles its request when the reply is complete with it.
 *
 * @throws {VmbError} `nbd.protocol` or `nbd.disconnected`, after which the stream is lost; `nbd.remote`
 *   when the server is being shut down
 */
export async function readReply(stream: ReplyStream): Promise<void> {
  const { reader, peer } = stream;
  const header = await reader.take(16);
  const magic = header.getUint32(0);
  const structured = stream.export.structuredReplies;
  if (structured && magic === magics.NBD_STRUCTURED_REPLY_MAGIC) {
    const flags = header.getUint16(4);
    const type = header.getUint16(6);
    const cookie = getUint64(header, 8);
    const length = (await reader.take(4)).getUint32(0);
    const request = requestOf(stream, cookie);
    const done = (flags & replyFlags.NBD_REPLY_FLAG_DONE) !== 0;
    await readChunk(stream, request, type, length, done);
    if (done) settle(stream, cookie, request);
  } else if (magic === magics.NBD_SIMPLE_REPLY_MAGIC) {
    const error = header.getUint32(4);
    const cookie = getUint64(header, 8);
    const request = requestOf(stream, cookie);
    await readSimpleReply(stream, request, error);
    settle(stream, cookie, request);
  } else {
    const expected = structured ? magics.NBD_STRUCTURED_REPLY_MAGIC : magics.NBD_SIMPLE_REPLY_MAGIC;
    throw protocolFailure(peer, `reply magic is ${hex(magic)}, expected ${hex(expected)}`);
  }
}

function requestOf({ pending, peer }: ReplyStream, cookie: number): PendingRequest {
  const request = pending.get(cookie);
  if (request === undefined) {
    throw protocolFailure(peer, `reply to cookie ${hex(cookie)}, which no pending request has`);
  }
  return request;
}

function settle(stream: ReplyStream, cookie: number, request: PendingRequest): void {
  const { failure } = request;
  // A request that breaks the rules stays pending, and so ends with the connection.
  if (failure === undefined && !isComplete(stream, request)) {
    throw protocolFailure(
      stream.peer,
      `reply to ${showRequest(request)} is done, but a part is missing`,
    );
  }
  stream.pending.delete(cookie);
  if (failure === undefined) request.resolve();
  else request.reject(failure);
}

function isComplete(stream: ReplyStream, request: PendingRequest): boolean {
  return request.kind === "read"
    ? request.coverage.complete
    : request.extents.size === stream.export.contexts.size;
}

async function readSimpleReply(
  stream: ReplyStream,
  request: PendingRequest,
  error: number,
): Promise<void> {
  if (request.kind === "read" && stream.export.structuredReplies) {
    throw protocolFailure(
      stream.peer,
      `simple reply to ${showRequest(request)}, expected a structured reply`,
    );
  }
  if (error !== 0) {
    failRequest(stream, request, error, describeError(error));
  } else if (request.kind === "read") {
    await stream.reader.fill(request.target);
    request.coverage.add(0, request.length);
  } else {
    throw protocolFailure(
      stream.peer,
      `simple reply without error to ${showRequest(request)}, expected a structured reply`,
    );
  }
}

async function readChunk(
  stream: ReplyStream,
  request: PendingRequest,
  type: number,
  length: number,
  done: boolean,
): Promise<void> {
  if (type === replyTypes.NBD_REPLY_TYPE_OFFSET_DATA && request.kind === "read") {
    await readData(stream, request, length);
  } else if (type === replyTypes.NBD_REPLY_TYPE_OFFSET_HOLE && request.kind === "read") {
    await readHole(stream, request, length);
  } else if (type === replyTypes.NBD_REPLY_TYPE_BLOCK_STATUS && request.kind === "block status") {
    await readExtents(stream, request, length);
  } else if (type === replyTypes.NBD_REPLY_TYPE_NONE) {
    if (length !== 0 || !done) {
      throw protocolFailure(
        stream.peer,
        `NBD_REPLY_TYPE_NONE has ${length} bytes ${done ? "with" : "without"} ` +
          "NBD_REPLY_FLAG_DONE, expected 0 bytes with it",
      );
    }
  } else if (type >= NBD_REPLY_TYPE_FLAG_ERROR) {
    await readError(stream, request, type, length);
  } else {
    throw protocolFailure(stream.peer, `chunk type ${type} is no reply to ${showRequest(request)}`);
  }
}
