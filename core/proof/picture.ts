import { Buffer } from "node:buffer";
import { crc32, deflateSync, inflateSync } from "node:zlib";
import { VmbError } from "../error.ts";

/** A picture, as far as a proof looks at it: 8 bits for each of red, green and blue. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  /** Three bytes for each pixel, row by row from the top. */
  readonly pixels: Uint8Array;
}

/** A screen is never larger than this; what claims to be is no screen. */
const mostPixels = 8192 * 8192;

const signature = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/** Samples of a pixel by colour type (PNG specification, 11.2.2 "IHDR"). */
const samplesOf: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

/**
 * Reads a screenshot: a PNG of 8 bits a sample, not interlaced, or a binary PPM of depth 255. QEMU makes
 * one or the other.
 *
 * @throws {VmbError} `proof.picture` for anything else
 */
export function decodePicture(bytes: Uint8Array): Picture {
  if (signature.every((byte, index) => bytes[index] === byte)) return decodePng(bytes);
  if (bytes[0] === 0x50 && bytes[1] === 0x36) return decodePpm(bytes);
  throw unreadable("it is neither PNG nor PPM");
}

/** Writes a picture as a PNG. */
export function encodePng({ width, height, pixels }: Picture): Uint8Array<ArrayBuffer> {
  const rows = new Uint8Array((width * 3 + 1) * height);
  for (let row = 0; row < height; row++) {
    rows.set(pixels.subarray(row * width * 3, (row + 1) * width * 3), row * (width * 3 + 1) + 1);
  }
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, 2], 8);
  const parts = [
    Uint8Array.from(signature),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(rows)),
    chunk("IEND", new Uint8Array()),
  ];
  const png = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    png.set(part, offset);
    offset += part.length;
  }
  return png;
}

/** Counts the different colours of a picture, up to `limit`. */
export function countColours({ pixels }: Picture, limit = 65_536): number {
  const seen = new Set<number>();
  for (let at = 0; at + 2 < pixels.length && seen.size < limit; at += 3) {
    seen.add((pixels[at] ?? 0) << 16 | (pixels[at + 1] ?? 0) << 8 | (pixels[at + 2] ?? 0));
  }
  return seen.size;
}

function decodePng(bytes: Uint8Array): Picture {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parts: Uint8Array[] = [];
  let header: DataView | undefined;
  let palette: Uint8Array = new Uint8Array();
  for (let at = signature.length; at + 12 <= bytes.length;) {
    const length = view.getUint32(at);
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (at + 12 + length > bytes.length) throw unreadable(`chunk ${type} is cut off`);
    const data = bytes.subarray(at + 8, at + 8 + length);
    if (type === "IHDR") header = new DataView(data.buffer, data.byteOffset, data.length);
    if (type === "PLTE") palette = data;
    if (type === "IDAT") parts.push(data);
    at += 12 + length;
  }
  if (header === undefined || header.byteLength !== 13) throw unreadable("it has no header");
  const [width, height] = size(header.getUint32(0), header.getUint32(4));
  const type = header.getUint8(9);
  const samples = samplesOf[type];
  if (header.getUint8(8) !== 8 || samples === undefined || header.getUint8(12) !== 0) {
    throw unreadable("it has not 8 bits for each sample, or is interlaced");
  }
  const rows = inflate(parts, (width * samples + 1) * height);
  unfilter(rows, width * samples, height, samples);
  const pixels = new Uint8Array(width * height * 3);
  const isGrey = type === 0 || type === 4;
  for (let pixel = 0; pixel < width * height; pixel++) {
    const row = Math.floor(pixel / width);
    const from = row * (width * samples + 1) + 1 + (pixel % width) * samples;
    for (let colour = 0; colour < 3; colour++) {
      const sample = rows[from + (isGrey || type === 3 ? 0 : colour)] ?? 0;
      pixels[pixel * 3 + colour] = type === 3 ? palette[sample * 3 + colour] ?? 0 : sample;
    }
  }
  return { width, height, pixels };
}

function inflate(parts: readonly Uint8Array[], expected: number): Uint8Array {
  let rows: Uint8Array;
  try {
    rows = inflateSync(Buffer.concat(parts), { maxOutputLength: expected + 1 });
  } catch (error) {
    throw unreadable(error instanceof Error ? error.message : String(error));
  }
  if (rows.length !== expected) throw unreadable(`${rows.length} bytes, ${expected} expected`);
  return rows;
}

/** Undoes the filters of all rows in place (PNG specification, 9.2 "Filter types"). */
function unfilter(rows: Uint8Array, length: number, height: number, samples: number): void {
  for (let row = 0; row < height; row++) {
    const start = row * (length + 1);
    const filter = rows[start] ?? 0;
    for (let index = 0; index < length; index++) {
      const at = start + 1 + index;
      const left = index >= samples ? rows[at - samples] ?? 0 : 0;
      const above = row > 0 ? rows[at - length - 1] ?? 0 : 0;
      const corner = row > 0 && index >= samples ? rows[at - length - 1 - samples] ?? 0 : 0;
      rows[at] = (rows[at] ?? 0) + predict(filter, left, above, corner);
    }
  }
}

function predict(filter: number, left: number, above: number, corner: number): number {
  switch (filter) {
    case 0:
      return 0;
    case 1:
      return left;
    case 2:
      return above;
    case 3:
      return (left + above) >> 1;
    case 4: {
      const estimate = left + above - corner;
      const a = Math.abs(estimate - left);
      const b = Math.abs(estimate - above);
      const c = Math.abs(estimate - corner);
      return a <= b && a <= c ? left : b <= c ? above : corner;
    }
    default:
      throw unreadable(`filter ${filter} is unknown`);
  }
}

function decodePpm(bytes: Uint8Array): Picture {
  const head = new TextDecoder("latin1").decode(bytes.subarray(0, 200));
  const match = /^P6\s+(?:#[^\n]*\n\s*)*(\d+)\s+(\d+)\s+255\s/.exec(head);
  if (match === null) throw unreadable("its PPM header is unknown");
  const [width, height] = size(Number(match[1]), Number(match[2]));
  const pixels = bytes.subarray(match[0].length, match[0].length + width * height * 3);
  if (pixels.length !== width * height * 3) throw unreadable("it is cut off");
  return { width, height, pixels };
}

function size(width: number, height: number): readonly [number, number] {
  if (width < 1 || height < 1 || width * height > mostPixels) {
    throw unreadable(`${width} x ${height} pixels is no size of a screen`);
  }
  return [width, height];
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(data.length + 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(new TextEncoder().encode(type), 4);
  bytes.set(data, 8);
  view.setUint32(8 + data.length, crc32(bytes.subarray(4, 8 + data.length)));
  return bytes;
}

function unreadable(why: string): VmbError {
  return new VmbError(`Screenshot cannot be read: ${why}`, { code: "proof.picture" });
}
