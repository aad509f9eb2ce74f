import { setUint64 } from "./bytes.ts";
import { magics } from "./protocol.ts";

const requestLength = 28;

/** What a request message carries besides its magic ("Request message"). */
export interface RequestFields {
  readonly flags?: number;
  readonly type: number;
  readonly cookie: number;
  /** Bytes from the start of the export. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
}

export function encodeRequest(fields: RequestFields): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(requestLength);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, magics.NBD_REQUEST_MAGIC);
  view.setUint16(4, fields.flags ?? 0);
  view.setUint16(6, fields.type);
  setUint64(view, 8, fields.cookie);
  setUint64(view, 16, fields.offset);
  view.setUint32(24, fields.length);
  return bytes;
}
