/** Bytes in network order, as the protocol writes numbers and strings. */

export function encodeUint16(value: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(2);
  new DataView(bytes.buffer).setUint16(0, value);
  return bytes;
}

export function encodeUint32(value: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

/** A string after its length in 32 bits. */
export function encodeText(text: string): Uint8Array<ArrayBuffer> {
  const encoded = new TextEncoder().encode(text);
  return concatenate([encodeUint32(encoded.length), encoded]);
}

/** The rest of a view, from byte `from` on, as text. */
export function decodeText(view: DataView<ArrayBuffer>, from = 0): string {
  const { buffer, byteOffset, byteLength } = view;
  return new TextDecoder().decode(new Uint8Array(buffer, byteOffset + from, byteLength - from));
}

/**
 * Reads 64 bits as a number. A value above 2^53 loses its lowest bits: such a value is compared with a
 * bound and refused, never used.
 */
export function getUint64(view: DataView, at: number): number {
  return view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4);
}

export function setUint64(view: DataView, at: number, value: number): void {
  view.setUint32(at, Math.floor(value / 2 ** 32));
  view.setUint32(at + 4, value % 2 ** 32);
}

export function concatenate(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
