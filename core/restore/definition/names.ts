import { VmbError } from "../../error.ts";
import { quoted } from "../../format/quoted.ts";
import type { Manifest } from "../../repository/manifest.ts";

/** libvirt's schema, `diskTarget`. */
const target = /^(fd|hd|sd|vd|xvd|ubd)[A-Za-z0-9_]{1,16}$/;
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** One part of a path, that is no option of a program either. */
const fileName = /^(?![.-])[^/\p{Cc}]{1,200}$/u;

/** Whether a text can be the name of a file, and leads nowhere else. */
export function isFileName(text: string): boolean {
  return fileName.test(text);
}

/**
 * Looks at the names of a manifest that become parts of paths and arguments of programs.
 *
 * @throws {VmbError} `restore.manifest` (exit 6) that names the first that cannot be one
 */
export function assertNames({ vm, disks }: Pick<Manifest, "vm" | "disks">): void {
  if (!fileName.test(vm.name)) throw refused("name", vm.name);
  if (!uuid.test(vm.uuid)) throw refused("UUID", vm.uuid);
  for (const disk of disks) {
    if (!target.test(disk.target)) throw refused("disk target", disk.target);
  }
  const twice = disks.find((disk, index) =>
    disks.findIndex((other) => other.target === disk.target) < index
  );
  if (twice !== undefined) throw refused("second disk", twice.target);
}

function refused(what: string, value: string): VmbError {
  return new VmbError(`Manifest of the backup has the ${what} ${quoted(value, 80)}`, {
    code: "restore.manifest",
    exit: 6,
    hint:
      "No vmb writes such a manifest: restore another backup, and ask who can write to the share",
  });
}
