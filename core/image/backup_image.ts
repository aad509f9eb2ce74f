import { exitCodes, toVmbError, VmbError } from "../error.ts";
import { quoted } from "../format/quoted.ts";
import { clusterBits } from "../qcow2/cluster.ts";
import { decodeHeader, headerBytes } from "../qcow2/header.ts";
import type { Files } from "../sys/files.ts";

/** An image that a backup holds, as its manifest tells of it. */
export interface BackupImage {
  readonly path: string;
  /** Bytes that the guest sees. */
  readonly virtualSize: number;
}

/**
 * Says why an image is none that a backup holds. Those are whole by themselves: an image with a backing file or a
 * data file would have QEMU open any file of this machine, as root, and give it to a guest.
 *
 * @param bytes the image from its start
 */
export function imageFault(
  bytes: Uint8Array,
  { virtualSize }: Pick<BackupImage, "virtualSize">,
): string | undefined {
  try {
    const header = decodeHeader(bytes);
    if (header.clusterBits !== clusterBits) {
      return `its clusters have ${2 ** header.clusterBits} bytes`;
    }
    if (header.virtualSize !== virtualSize) {
      return `it is a disk of ${header.virtualSize} bytes, not of ${virtualSize}`;
    }
  } catch (error) {
    const { message } = toVmbError(error);
    if (/: backing_file_offset: /.test(message)) return "it stands on another file";
    return message;
  }
  return undefined;
}

/**
 * Looks at the header of an image before any program opens it.
 *
 * @param share reads its files, and follows no link
 * @throws {VmbError} `image.foreign` (exit 6)
 */
export async function assertBackupImage(
  share: Pick<Files, "readStart">,
  image: BackupImage,
): Promise<void> {
  const fault = imageFault(await share.readStart(image.path, headerBytes), image);
  if (fault !== undefined) throw foreignImage(image.path, fault);
}

export function foreignImage(path: string, fault: string): VmbError {
  return new VmbError(`Image ${quoted(path)} is none that vmb writes: ${fault}`, {
    code: "image.foreign",
    exit: exitCodes.problems,
    hint: "It is not opened: take another backup, and look at who may write to the share",
  });
}

/**
 * QEMU's name of an image of which nothing but itself is opened, whatever its header says meanwhile (qemu(1),
 * `json:`; block-core.json, BlockdevOptionsGenericCOWFormat: `backing` null).
 */
export function standingAlone(path: string): string {
  return `json:${
    JSON.stringify({
      ...{ driver: "qcow2", "force-share": true, backing: null },
      file: { driver: "file", filename: path },
    })
  }`;
}
