import { type NbdPeer, protocolFailure } from "./failure.ts";
import { limits, transmissionFlags } from "./protocol.ts";

/** What the server allows, from the transmission flags. */
export interface NbdTransmissionFlags {
  readonly readOnly: boolean;
  readonly sendFlush: boolean;
  readonly sendFua: boolean;
  readonly rotational: boolean;
  readonly sendTrim: boolean;
  readonly sendWriteZeroes: boolean;
  readonly sendDf: boolean;
  /** Several connections see the same data: reads may be spread over them. */
  readonly canMultiConn: boolean;
  readonly sendCache: boolean;
  readonly sendFastZero: boolean;
}

/** Constraints on requests, in bytes. */
export interface NbdBlockSize {
  /** Offsets and lengths are multiples of it, except for a request that ends where the export ends. */
  readonly minimum: number;
  readonly preferred: number;
  /** The largest request; at most 32 MiB, whatever the server offers. */
  readonly maximum: number;
}

/** What the document assumes of a server that does not tell. */
export const defaultBlockSize: NbdBlockSize = {
  minimum: 1,
  preferred: 4096,
  maximum: limits.payload,
};

/**
 * Reads the payload of `NBD_INFO_BLOCK_SIZE` ("Block size constraints").
 *
 * @throws {VmbError} `nbd.protocol` when the sizes contradict each other
 */
export function readBlockSize(peer: NbdPeer, reply: DataView): NbdBlockSize {
  const minimum = reply.getUint32(2);
  const preferred = reply.getUint32(6);
  const maximum = reply.getUint32(10);
  if (
    !isPowerOfTwo(minimum) || minimum > limits.minimumBlockSize || !isPowerOfTwo(preferred) ||
    preferred < minimum || maximum < minimum
  ) {
    throw protocolFailure(
      peer,
      `block sizes are minimum ${minimum}, preferred ${preferred}, maximum ${maximum}, ` +
        `expected ascending powers of 2 and a minimum up to ${limits.minimumBlockSize}`,
    );
  }
  const bounded = Math.min(maximum, limits.payload);
  return { minimum, preferred, maximum: bounded - bounded % minimum };
}

/** Gives the bits of the transmission flags their names. */
export function nameFlags(flags: number): NbdTransmissionFlags {
  const has = (flag: keyof typeof transmissionFlags) => (flags & transmissionFlags[flag]) !== 0;
  return {
    readOnly: has("NBD_FLAG_READ_ONLY"),
    sendFlush: has("NBD_FLAG_SEND_FLUSH"),
    sendFua: has("NBD_FLAG_SEND_FUA"),
    rotational: has("NBD_FLAG_ROTATIONAL"),
    sendTrim: has("NBD_FLAG_SEND_TRIM"),
    sendWriteZeroes: has("NBD_FLAG_SEND_WRITE_ZEROES"),
    sendDf: has("NBD_FLAG_SEND_DF"),
    canMultiConn: has("NBD_FLAG_CAN_MULTI_CONN"),
    sendCache: has("NBD_FLAG_SEND_CACHE"),
    sendFastZero: has("NBD_FLAG_SEND_FAST_ZERO"),
  };
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && Number.isInteger(Math.log2(value));
}
