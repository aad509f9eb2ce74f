const magic = 0xfd2f_b528;
const dictionaryIdBytes = [0, 1, 2, 4];
const contentSizeBytes = [0, 2, 4, 8];
const rleBlock = 1;
const reservedBlock = 3;

/**
 * Finds where a zstd frame ends (RFC 8878, section 3.1.1). A qcow2 image tells the length of one only in
 * sectors, and the decoder takes what follows for another frame.
 *
 * @returns bytes of the frame; `undefined` when it is none, or does not end within `bytes`
 */
export function zstdFrameLength(bytes: Uint8Array): number | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 5 || view.getUint32(0, true) !== magic) return undefined;
  const descriptor = view.getUint8(4);
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const contentSize = contentSizeBytes[descriptor >> 6] ?? 0;
  let at = 5 + (isSingleSegment ? 0 : 1) + (dictionaryIdBytes[descriptor & 3] ?? 0) +
    (contentSize === 0 && isSingleSegment ? 1 : contentSize);
  for (let isLast = false; !isLast;) {
    if (at + 3 > bytes.length) return undefined;
    const header = view.getUint16(at, true) | view.getUint8(at + 2) << 16;
    const type = header >> 1 & 3;
    if (type === reservedBlock) return undefined;
    isLast = (header & 1) === 1;
    at += 3 + (type === rleBlock ? 1 : header >> 3);
  }
  const end = at + ((descriptor & 4) === 0 ? 0 : 4);
  return end <= bytes.length ? end : undefined;
}
