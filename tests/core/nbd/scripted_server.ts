import { withDeadline } from "../../../core/sys/deadline.ts";
import { concatenate, encodeText, encodeUint16, encodeUint32 } from "../../../core/nbd/bytes.ts";
import {
  infoTypes,
  magics,
  optionReplyTypes,
  optionTypes,
  transmissionFlags,
} from "../../../core/nbd/protocol.ts";

/** The server's end of one connection, for scripts that say any bytes they like. */
export class Stage {
  readonly #connection: Deno.UnixConn;
  #hungUp = false;

  constructor(connection: Deno.UnixConn) {
    this.#connection = connection;
  }

  /** Reads exactly `count` bytes of the client. */
  async hear(count: number): Promise<DataView<ArrayBuffer>> {
    const bytes = new Uint8Array(count);
    for (let done = 0; done < count;) {
      const got = await this.#connection.read(bytes.subarray(done));
      if (got === null) throw new Error("the client hung up");
      done += got;
    }
    return new DataView(bytes.buffer);
  }

  async say(...parts: readonly Uint8Array[]): Promise<void> {
    const bytes = concatenate(parts);
    for (let done = 0; done < bytes.length;) {
      done += await this.#connection.write(bytes.subarray(done));
    }
  }

  /** Reads one option of the client. */
  async hearOption(): Promise<{ readonly option: number; readonly data: DataView<ArrayBuffer> }> {
    const header = await this.hear(16);
    return { option: header.getUint32(8), data: await this.hear(header.getUint32(12)) };
  }

  async hearRequest(): Promise<Heard> {
    const header = await this.hear(28);
    return {
      type: header.getUint16(6),
      cookie: header.getBigUint64(8),
      offset: Number(header.getBigUint64(16)),
      length: header.getUint32(24),
    };
  }

  /** Resolves when the client has closed the connection; what it sends before is dropped. */
  async untilClosed(): Promise<void> {
    const buffer = new Uint8Array(4096);
    try {
      while (await this.#connection.read(buffer) !== null);
    } catch (error) {
      if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
    }
  }

  hangUp(): void {
    if (!this.#hungUp) this.#connection.close();
    this.#hungUp = true;
  }
}

/** A request as the server reads it. */
export interface Heard {
  readonly type: number;
  readonly cookie: bigint;
  readonly offset: number;
  readonly length: number;
}

export interface Script {
  readonly structured?: boolean;
  readonly context?: { readonly name: string; readonly id: number };
  readonly size?: number | bigint;
  readonly blockSize?: readonly [minimum: number, preferred: number, maximum: number];
}

/**
 * Serves one connection by a script while `use` runs, then waits until the client has closed it.
 * A script that has hung up returns true.
 */
export async function withScriptedServer(
  script: (stage: Stage) => Promise<true | void>,
  use: (server: { readonly socketPath: string }) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "vmb-nbd-" });
  const socketPath = `${folder}/s`;
  const listener = Deno.listen({ transport: "unix", path: socketPath });
  let stage: Stage | undefined;
  const serving = (async () => {
    stage = new Stage(await listener.accept());
    if (!await script(stage)) await stage.untilClosed();
  })();
  try {
    const ended = Promise.all([use({ socketPath }), serving]);
    // A client that does not hang up, or never settles a request, fails its test here.
    await withDeadline("End of the connection", 10_000, ended);
  } finally {
    listener.close();
    stage?.hangUp();
    await Deno.remove(folder, { recursive: true });
  }
}

/** The greeting of a fixed newstyle server, up to the client's flags. */
export async function greet(stage: Stage): Promise<void> {
  await stage.say(uint64(magics.INIT_PASSWD), uint64(magics.IHAVEOPT), encodeUint16(3));
  await stage.hear(4);
}

/** A whole handshake as the document has it. */
export async function shakeHands(stage: Stage, script: Script = {}): Promise<void> {
  const { structured = true, context, size = 65536, blockSize } = script;
  await greet(stage);
  while (true) {
    const { option } = await stage.hearOption();
    switch (option) {
      case optionTypes.NBD_OPT_STRUCTURED_REPLY:
        await stage.say(
          optionReply(
            option,
            structured ? optionReplyTypes.NBD_REP_ACK : optionReplyTypes.NBD_REP_ERR_UNSUP,
          ),
        );
        break;
      case optionTypes.NBD_OPT_SET_META_CONTEXT:
        if (context !== undefined) {
          await stage.say(metaContext(context.id, context.name));
        }
        await stage.say(optionReply(option, optionReplyTypes.NBD_REP_ACK));
        break;
      case optionTypes.NBD_OPT_GO:
        await stage.say(
          exportInfo(size),
          ...(blockSize === undefined ? [] : [blockSizeInfo(...blockSize)]),
          optionReply(option, optionReplyTypes.NBD_REP_ACK),
        );
        return;
      default:
        throw new Error(`unexpected option ${option}`);
    }
  }
}

export function optionReply(
  option: number,
  type: number,
  data: Uint8Array = new Uint8Array(),
): Uint8Array {
  return concatenate([
    uint64(magics.NBD_REP_MAGIC),
    encodeUint32(option),
    encodeUint32(type),
    encodeUint32(data.length),
    data,
  ]);
}

export function metaContext(id: number, name: string): Uint8Array {
  return optionReply(
    optionTypes.NBD_OPT_SET_META_CONTEXT,
    optionReplyTypes.NBD_REP_META_CONTEXT,
    concatenate([encodeUint32(id), encodeText(name).subarray(4)]),
  );
}

export function exportInfo(
  size: number | bigint,
  flags: number = transmissionFlags.NBD_FLAG_HAS_FLAGS,
): Uint8Array {
  return info(encodeUint16(infoTypes.NBD_INFO_EXPORT), uint64(size), encodeUint16(flags));
}

export function blockSizeInfo(minimum: number, preferred: number, maximum: number): Uint8Array {
  const sizes = [minimum, preferred, maximum].map(encodeUint32);
  return info(encodeUint16(infoTypes.NBD_INFO_BLOCK_SIZE), ...sizes);
}

export function info(...payload: readonly Uint8Array[]): Uint8Array {
  return optionReply(
    optionTypes.NBD_OPT_GO,
    optionReplyTypes.NBD_REP_INFO,
    concatenate(payload),
  );
}

export function simpleReply(cookie: bigint, error = 0): Uint8Array {
  return concatenate([
    encodeUint32(magics.NBD_SIMPLE_REPLY_MAGIC),
    encodeUint32(error),
    uint64(cookie),
  ]);
}

export interface ChunkOptions {
  readonly done?: boolean;
  /** Length in the header; by default the true one. */
  readonly length?: number;
}

export function chunk(
  cookie: bigint,
  type: number,
  payload: readonly Uint8Array[],
  options: ChunkOptions = {},
): Uint8Array {
  const bytes = concatenate(payload);
  const { done = true, length = bytes.length } = options;
  return concatenate([
    encodeUint32(magics.NBD_STRUCTURED_REPLY_MAGIC),
    encodeUint16(done ? 1 : 0),
    encodeUint16(type),
    uint64(cookie),
    encodeUint32(length),
    bytes,
  ]);
}

export function uint64(value: number | bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return bytes;
}
