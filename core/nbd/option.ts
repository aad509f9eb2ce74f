import type { Connection } from "../sys/network.ts";
import type { ByteReader } from "./byte_reader.ts";
import { decodeText } from "./bytes.ts";
import { type NbdPeer, protocolFailure } from "./failure.ts";
import {
  describeOption,
  describeOptionReply,
  hex,
  limits,
  magics,
  NBD_REP_FLAG_ERROR,
  optionReplyTypes,
} from "./protocol.ts";
import { writeAll } from "./request_writer.ts";

/** A handshake in progress. */
export interface Haggling {
  readonly connection: Pick<Connection, "write">;
  readonly reader: ByteReader;
  readonly peer: NbdPeer;
}

/** How the server ended its answer to an option. */
export type OptionOutcome =
  | { readonly kind: "ack" }
  /** An error reply; `message` is the server's own text, often empty. */
  | { readonly kind: "refused"; readonly type: number; readonly message: string };

const replyHeaderLength = 20;
const longestReply = 2 * limits.string;

/**
 * Sends an option and reads the server's replies to its end ("Fixed newstyle negotiation").
 *
 * @param onReply gets every reply before the final one; its view is valid during the call only
 * @throws {VmbError} `nbd.protocol` when a reply is malformed or answers another option
 */
export async function haggle(
  haggling: Haggling,
  option: number,
  data: Uint8Array,
  onReply: (type: number, data: DataView<ArrayBuffer>) => void,
): Promise<OptionOutcome> {
  const { connection, reader, peer } = haggling;
  await writeAll(connection, encodeOption(option, data));
  while (true) {
    const header = await reader.take(replyHeaderLength);
    const magic = header.getBigUint64(0);
    const answered = header.getUint32(8);
    const type = header.getUint32(12);
    const length = header.getUint32(16);
    if (magic !== magics.NBD_REP_MAGIC) {
      throw protocolFailure(
        peer,
        `option reply magic is ${hex(magic)}, expected ${hex(magics.NBD_REP_MAGIC)}`,
      );
    }
    if (answered !== option) {
      throw protocolFailure(
        peer,
        `reply is to ${describeOption(answered)}, expected ${describeOption(option)}`,
      );
    }
    if (length > longestReply) {
      throw protocolFailure(
        peer,
        `${describeOptionReply(type)} has ${length} bytes, expected at most ${longestReply}`,
      );
    }
    const payload = await reader.take(length);
    if (type >= NBD_REP_FLAG_ERROR) {
      return { kind: "refused", type, message: decodeText(payload) };
    }
    if (type === optionReplyTypes.NBD_REP_ACK) return { kind: "ack" };
    onReply(type, payload);
  }
}

/** An option with its data, as the client sends it. */
export function encodeOption(option: number, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(16 + data.length);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, magics.IHAVEOPT);
  view.setUint32(8, option);
  view.setUint32(12, data.length);
  bytes.set(data, 16);
  return bytes;
}
