import { VmbError } from "../error.ts";
import {
  concatenate,
  decodeText,
  encodeText,
  encodeUint16,
  encodeUint32,
  getUint64,
} from "./bytes.ts";
import {
  defaultBlockSize,
  nameFlags,
  type NbdBlockSize,
  type NbdTransmissionFlags,
  readBlockSize,
} from "./export_info.ts";
import { handshakeFailure, protocolFailure, quoteServerText } from "./failure.ts";
import { encodeOption, haggle, type Haggling, type OptionOutcome } from "./option.ts";
import {
  clientFlags,
  describeOption,
  describeOptionReply,
  handshakeFlags,
  hex,
  infoTypes,
  magics,
  optionReplyTypes,
  optionTypes,
  transmissionFlags,
} from "./protocol.ts";
import { writeAll } from "./request_writer.ts";

/** The outcome of a handshake. */
export interface NbdExport {
  /** Bytes. */
  readonly size: number;
  readonly flags: NbdTransmissionFlags;
  readonly blockSize: NbdBlockSize;
  readonly structuredReplies: boolean;
  /** Name of each negotiated metadata context, with the id that the server gave it. */
  readonly contexts: ReadonlyMap<string, number>;
}

/**
 * Takes a fresh connection into the transmission phase: fixed newstyle negotiation, structured replies
 * and metadata contexts where the server has them, then `NBD_OPT_GO`.
 *
 * @throws {VmbError} `nbd.handshake` when the server refuses or lacks what is needed, `nbd.protocol`
 *   when it breaks the rules, `nbd.disconnected` when it goes away
 */
export async function shakeHands(
  haggling: Haggling,
  metaContexts: readonly string[],
): Promise<NbdExport> {
  await greet(haggling);
  try {
    const structuredReplies = await askForStructuredReplies(haggling);
    const contexts = structuredReplies && metaContexts.length > 0
      ? await setMetaContexts(haggling, metaContexts)
      : new Map<string, number>();
    return { ...await go(haggling), structuredReplies, contexts };
  } catch (error) {
    if (error instanceof VmbError && error.code === "nbd.handshake") await leave(haggling);
    throw error;
  }
}

async function greet({ connection, reader, peer }: Haggling): Promise<void> {
  const passwordMagic = (await reader.take(8)).getBigUint64(0);
  if (passwordMagic !== magics.INIT_PASSWD) {
    throw protocolFailure(
      peer,
      `it greets with ${hex(passwordMagic)}, expected ${hex(magics.INIT_PASSWD)}`,
    );
  }
  const style = (await reader.take(8)).getBigUint64(0);
  if (style === magics.cliserv_magic) {
    throw handshakeFailure(
      peer,
      "the server offers oldstyle negotiation, fixed newstyle is needed",
    );
  }
  if (style !== magics.IHAVEOPT) {
    throw protocolFailure(
      peer,
      `handshake magic is ${hex(style)}, expected ${hex(magics.IHAVEOPT)}`,
    );
  }
  const flags = (await reader.take(2)).getUint16(0);
  if ((flags & handshakeFlags.NBD_FLAG_FIXED_NEWSTYLE) === 0) {
    throw handshakeFailure(peer, "the server does not set NBD_FLAG_FIXED_NEWSTYLE");
  }
  const noZeroes = (flags & handshakeFlags.NBD_FLAG_NO_ZEROES) !== 0;
  await writeAll(
    connection,
    encodeUint32(
      clientFlags.NBD_FLAG_C_FIXED_NEWSTYLE | (noZeroes ? clientFlags.NBD_FLAG_C_NO_ZEROES : 0),
    ),
  );
}

async function askForStructuredReplies(haggling: Haggling): Promise<boolean> {
  const option = optionTypes.NBD_OPT_STRUCTURED_REPLY;
  const outcome = await haggle(haggling, option, new Uint8Array(), (type) => {
    throw unexpectedReply(haggling, option, type);
  });
  return accepted(haggling, option, outcome);
}

async function setMetaContexts(
  haggling: Haggling,
  wanted: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const { peer } = haggling;
  const option = optionTypes.NBD_OPT_SET_META_CONTEXT;
  const contexts = new Map<string, number>();
  const data = concatenate([
    encodeText(peer.exportName),
    encodeUint32(wanted.length),
    ...wanted.map(encodeText),
  ]);
  const outcome = await haggle(haggling, option, data, (type, reply) => {
    if (type !== optionReplyTypes.NBD_REP_META_CONTEXT) {
      throw unexpectedReply(haggling, option, type);
    }
    if (reply.byteLength < 4) {
      throw protocolFailure(
        peer,
        `NBD_REP_META_CONTEXT has ${reply.byteLength} bytes, expected at least 4`,
      );
    }
    const id = reply.getUint32(0);
    const name = decodeText(reply, 4);
    if (!wanted.includes(name) || contexts.has(name) || [...contexts.values()].includes(id)) {
      throw protocolFailure(
        peer,
        `NBD_REP_META_CONTEXT gives id ${id} to ${quoteServerText(name)}, ` +
          `expected each of ${wanted.map((each) => `"${each}"`).join(", ")} at most once`,
      );
    }
    contexts.set(name, id);
  });
  return accepted(haggling, option, outcome) ? contexts : new Map();
}

async function go(haggling: Haggling): Promise<Pick<NbdExport, "size" | "flags" | "blockSize">> {
  const { peer } = haggling;
  const option = optionTypes.NBD_OPT_GO;
  let size: number | undefined;
  let flags = 0;
  let blockSize = defaultBlockSize;
  const data = concatenate([
    encodeText(peer.exportName),
    encodeUint16(1),
    encodeUint16(infoTypes.NBD_INFO_BLOCK_SIZE),
  ]);
  const outcome = await haggle(haggling, option, data, (type, reply) => {
    if (type !== optionReplyTypes.NBD_REP_INFO) throw unexpectedReply(haggling, option, type);
    const info = reply.byteLength < 2 ? undefined : reply.getUint16(0);
    const expected = info === infoTypes.NBD_INFO_EXPORT
      ? 12
      : info === infoTypes.NBD_INFO_BLOCK_SIZE
      ? 14
      : Math.max(2, reply.byteLength);
    if (reply.byteLength !== expected) {
      throw protocolFailure(
        peer,
        `NBD_REP_INFO has ${reply.byteLength} bytes, expected ${expected}`,
      );
    }
    if (info === infoTypes.NBD_INFO_EXPORT) {
      size = getUint64(reply, 2);
      flags = reply.getUint16(10);
    } else if (info === infoTypes.NBD_INFO_BLOCK_SIZE) {
      blockSize = readBlockSize(peer, reply);
    }
  });
  if (outcome.kind === "refused") throw refusal(haggling, option, outcome);
  if (size === undefined) throw protocolFailure(peer, "NBD_OPT_GO ended without NBD_INFO_EXPORT");
  if (!Number.isSafeInteger(size)) {
    throw handshakeFailure(peer, `the export has ${size} bytes, more than 2^53 - 1`);
  }
  if ((flags & transmissionFlags.NBD_FLAG_HAS_FLAGS) === 0) {
    throw protocolFailure(peer, `transmission flags are ${hex(flags)} without NBD_FLAG_HAS_FLAGS`);
  }
  return { size, flags: nameFlags(flags), blockSize };
}

/** Whether an optional feature was granted; a server that merely lacks it is no failure. */
function accepted(haggling: Haggling, option: number, outcome: OptionOutcome): boolean {
  if (outcome.kind === "ack") return true;
  switch (outcome.type) {
    case optionReplyTypes.NBD_REP_ERR_UNSUP:
    case optionReplyTypes.NBD_REP_ERR_POLICY:
    case optionReplyTypes.NBD_REP_ERR_PLATFORM:
      return false;
    default:
      throw refusal(haggling, option, outcome);
  }
}

function refusal(
  { peer }: Haggling,
  option: number,
  { type, message }: Extract<OptionOutcome, { kind: "refused" }>,
): VmbError {
  const said = message === "" ? "" : `: ${quoteServerText(message)}`;
  switch (type) {
    case optionReplyTypes.NBD_REP_ERR_UNKNOWN:
      return handshakeFailure(
        peer,
        `the server has no such export (NBD_REP_ERR_UNKNOWN)${said}`,
        `List its exports with: nbdinfo --list 'nbd+unix:///?socket=${peer.socketPath}'`,
      );
    case optionReplyTypes.NBD_REP_ERR_TLS_REQD:
      return handshakeFailure(
        peer,
        `the server insists on TLS (NBD_REP_ERR_TLS_REQD)${said}`,
        "Serve the export without TLS on a unix socket that only root can reach",
      );
    default:
      return handshakeFailure(
        peer,
        `the server answers ${describeOption(option)} with ${describeOptionReply(type)}${said}`,
      );
  }
}

function unexpectedReply({ peer }: Haggling, option: number, type: number): VmbError {
  return protocolFailure(
    peer,
    `${describeOptionReply(type)} is no answer to ${describeOption(option)}`,
  );
}

/** A client that has enough says so before it hangs up ("Termination of the session"). */
async function leave({ connection }: Haggling): Promise<void> {
  const abort = encodeOption(optionTypes.NBD_OPT_ABORT, new Uint8Array());
  await writeAll(connection, abort).catch(() => {});
}
