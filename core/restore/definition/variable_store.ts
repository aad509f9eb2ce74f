import { toVmbError, VmbError } from "../../error.ts";
import { decodeHeader } from "../../qcow2/header.ts";

/**
 * Looks at a UEFI variable store before QEMU does: one that is a qcow2 could stand on any file of the host.
 *
 * @throws {VmbError} `restore.nvram` (exit 6)
 */
export function assertOwnVariables(name: string, content: Uint8Array): void {
  if (new TextDecoder("latin1").decode(content.subarray(0, 4)) !== "QFI\u00fb") return;
  try {
    decodeHeader(content);
  } catch (thrown) {
    throw new VmbError(
      `UEFI variable store "${name}" of the backup does not stand alone: ${
        toVmbError(thrown).message
      }`,
      {
        code: "restore.nvram",
        exit: 6,
        hint:
          "No vmb writes such a file; restore another backup, and ask who can write to the share",
      },
    );
  }
}
