import type { Argv } from "../sys/process.ts";
import type { Domain } from "./domain.ts";

/**
 * The command that puts an overlay over disks of a running domain, all at once or none of them. Every disk
 * is named: without its own word libvirt includes a disk, and refuses block devices.
 */
export function snapshotCommand(
  domain: Domain,
  snapshot: {
    readonly name: string;
    /** Path of the new overlay of each disk; `undefined` leaves the disk out. */
    readonly disks: readonly { readonly target: string; readonly overlay: string | undefined }[];
  },
): Argv {
  return [
    "snapshot-create-as",
    `--domain=${domain.uuid}`,
    `--name=${snapshot.name}`,
    "--disk-only",
    "--atomic",
    "--no-metadata",
    ...snapshot.disks.map(({ target, overlay }) =>
      overlay === undefined
        ? `--diskspec=${target},snapshot=no`
        // virsh splits a disk specification at commas; a doubled one stands for itself.
        : `--diskspec=${target},snapshot=external,driver=qcow2,file=${
          overlay.replaceAll(",", ",,")
        }`
    ),
  ];
}
