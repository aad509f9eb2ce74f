/**
 * The values of the NBD protocol under the names of its document, nbd/doc/proto.md ("Values").
 * Two magic numbers that the document leaves without a name are called `IHAVEOPT` and `NBD_REP_MAGIC`.
 */

export const magics = {
  INIT_PASSWD: 0x4e42444d41474943n,
  cliserv_magic: 0x0000420281861253n,
  IHAVEOPT: 0x49484156454f5054n,
  NBD_REP_MAGIC: 0x0003e889045565a9n,
  NBD_REQUEST_MAGIC: 0x25609513,
  NBD_SIMPLE_REPLY_MAGIC: 0x67446698,
  NBD_STRUCTURED_REPLY_MAGIC: 0x668e33ef,
} as const;

export const handshakeFlags = {
  NBD_FLAG_FIXED_NEWSTYLE: 1 << 0,
  NBD_FLAG_NO_ZEROES: 1 << 1,
} as const;

export const clientFlags = {
  NBD_FLAG_C_FIXED_NEWSTYLE: 1 << 0,
  NBD_FLAG_C_NO_ZEROES: 1 << 1,
} as const;

export const transmissionFlags = {
  NBD_FLAG_HAS_FLAGS: 1 << 0,
  NBD_FLAG_READ_ONLY: 1 << 1,
  NBD_FLAG_SEND_FLUSH: 1 << 2,
  NBD_FLAG_SEND_FUA: 1 << 3,
  NBD_FLAG_ROTATIONAL: 1 << 4,
  NBD_FLAG_SEND_TRIM: 1 << 5,
  NBD_FLAG_SEND_WRITE_ZEROES: 1 << 6,
  NBD_FLAG_SEND_DF: 1 << 7,
  NBD_FLAG_CAN_MULTI_CONN: 1 << 8,
  NBD_FLAG_SEND_RESIZE: 1 << 9,
  NBD_FLAG_SEND_CACHE: 1 << 10,
  NBD_FLAG_SEND_FAST_ZERO: 1 << 11,
} as const;

export const optionTypes = {
  NBD_OPT_EXPORT_NAME: 1,
  NBD_OPT_ABORT: 2,
  NBD_OPT_LIST: 3,
  NBD_OPT_PEEK_EXPORT: 4,
  NBD_OPT_STARTTLS: 5,
  NBD_OPT_INFO: 6,
  NBD_OPT_GO: 7,
  NBD_OPT_STRUCTURED_REPLY: 8,
  NBD_OPT_LIST_META_CONTEXT: 9,
  NBD_OPT_SET_META_CONTEXT: 10,
} as const;

/** Bit 31 of an option reply's type marks an error. */
export const NBD_REP_FLAG_ERROR = 2 ** 31;

export const optionReplyTypes = {
  NBD_REP_ACK: 1,
  NBD_REP_SERVER: 2,
  NBD_REP_INFO: 3,
  NBD_REP_META_CONTEXT: 4,
  NBD_REP_ERR_UNSUP: 2 ** 31 + 1,
  NBD_REP_ERR_POLICY: 2 ** 31 + 2,
  NBD_REP_ERR_INVALID: 2 ** 31 + 3,
  NBD_REP_ERR_PLATFORM: 2 ** 31 + 4,
  NBD_REP_ERR_TLS_REQD: 2 ** 31 + 5,
  NBD_REP_ERR_UNKNOWN: 2 ** 31 + 6,
  NBD_REP_ERR_SHUTDOWN: 2 ** 31 + 7,
  NBD_REP_ERR_BLOCK_SIZE_REQD: 2 ** 31 + 8,
  NBD_REP_ERR_TOO_BIG: 2 ** 31 + 9,
} as const;

export const infoTypes = {
  NBD_INFO_EXPORT: 0,
  NBD_INFO_NAME: 1,
  NBD_INFO_DESCRIPTION: 2,
  NBD_INFO_BLOCK_SIZE: 3,
} as const;

export const commandFlags = {
  NBD_CMD_FLAG_FUA: 1 << 0,
  NBD_CMD_FLAG_NO_HOLE: 1 << 1,
  NBD_CMD_FLAG_DF: 1 << 2,
  NBD_CMD_FLAG_REQ_ONE: 1 << 3,
  NBD_CMD_FLAG_FAST_ZERO: 1 << 4,
} as const;

export const requestTypes = {
  NBD_CMD_READ: 0,
  NBD_CMD_WRITE: 1,
  NBD_CMD_DISC: 2,
  NBD_CMD_FLUSH: 3,
  NBD_CMD_TRIM: 4,
  NBD_CMD_CACHE: 5,
  NBD_CMD_WRITE_ZEROES: 6,
  NBD_CMD_BLOCK_STATUS: 7,
  NBD_CMD_RESIZE: 8,
} as const;

export const replyFlags = {
  NBD_REPLY_FLAG_DONE: 1 << 0,
} as const;

/** Bit 15 of a structured reply's type marks an error chunk. */
export const NBD_REPLY_TYPE_FLAG_ERROR = 1 << 15;

export const replyTypes = {
  NBD_REPLY_TYPE_NONE: 0,
  NBD_REPLY_TYPE_OFFSET_DATA: 1,
  NBD_REPLY_TYPE_OFFSET_HOLE: 2,
  NBD_REPLY_TYPE_BLOCK_STATUS: 5,
  NBD_REPLY_TYPE_ERROR: 2 ** 15 + 1,
  NBD_REPLY_TYPE_ERROR_OFFSET: 2 ** 15 + 2,
} as const;

/** Flags of an extent in the metadata context `base:allocation`. */
export const allocationFlags = {
  NBD_STATE_HOLE: 1 << 0,
  NBD_STATE_ZERO: 1 << 1,
} as const;

export const errorValues = {
  NBD_EPERM: 1,
  NBD_EIO: 5,
  NBD_ENOMEM: 12,
  NBD_EINVAL: 22,
  NBD_ENOSPC: 28,
  NBD_EOVERFLOW: 75,
  NBD_ENOTSUP: 95,
  NBD_ESHUTDOWN: 108,
} as const;

const errorMeanings: Readonly<Record<keyof typeof errorValues, string>> = {
  NBD_EPERM: "operation not permitted",
  NBD_EIO: "input/output error",
  NBD_ENOMEM: "cannot allocate memory",
  NBD_EINVAL: "invalid argument",
  NBD_ENOSPC: "no space left on device",
  NBD_EOVERFLOW: "value too large",
  NBD_ENOTSUP: "operation not supported",
  NBD_ESHUTDOWN: "server is being shut down",
};

/** Lengths that the document sets, in bytes. */
export const limits = {
  /** A string: an export's name, a metadata context, an error message. */
  string: 4096,
  /** A read that no server may take for an attack; larger ones it may refuse. */
  payload: 2 ** 25,
  /** The largest minimum block size that a server may ask for. */
  minimumBlockSize: 2 ** 16,
} as const;

/** Names an error value of a reply with its meaning: `NBD_EIO (input/output error)`. */
export function describeError(value: number): string {
  const name = nameOf(errorValues, value);
  return name === undefined ? `error ${value}` : `${name} (${errorMeanings[name]})`;
}

/** The document's name of an option reply type, or its number where the document has none. */
export function describeOptionReply(type: number): string {
  return nameOf(optionReplyTypes, type) ?? hex(type);
}

/** The document's name of an option. */
export function describeOption(type: number): string {
  return nameOf(optionTypes, type) ?? hex(type);
}

/** A number as the document writes magic numbers: `0x668e33ef`. */
export function hex(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}

function nameOf<Table extends Readonly<Record<string, number>>>(
  table: Table,
  value: number,
): Extract<keyof Table, string> | undefined {
  for (const name in table) if (table[name] === value) return name;
  return undefined;
}
