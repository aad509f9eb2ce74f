import type { Files } from "../sys/files.ts";
import type { Host } from "../sys/host.ts";
import {
  isLockPath,
  isStatePath,
  longestStateFile,
  readTpmArchive,
  type TpmFile,
  writeTpmArchive,
} from "./tpm_archive.ts";

/** Where libvirt keeps the state of a domain's emulated TPM: it goes by the UUID. */
export function tpmStateFolder(host: Pick<Host, "env">, uri: string, uuid: string): string {
  return uri.endsWith("/session")
    ? `${sessionFolder(host)}/swtpm/${uuid}`
    : `/var/lib/libvirt/swtpm/${uuid}`;
}

/** Where libvirt keeps UEFI variables by itself. */
export function nvramFolder(host: Pick<Host, "env">, uri: string): string {
  return uri.endsWith("/session") ? `${sessionFolder(host)}/nvram` : "/var/lib/libvirt/qemu/nvram";
}

function sessionFolder(host: Pick<Host, "env">): string {
  return `${host.env("XDG_CONFIG_HOME") ?? `${host.env("HOME") ?? ""}/.config`}/libvirt/qemu`;
}

/** A state as it is packed. */
export interface PackedTpm {
  readonly archive: Uint8Array;
  /** Paths of what lies in the folder, and is no file of a state. */
  readonly strange: readonly string[];
}

/**
 * Packs the state of a TPM. The folder is swtpm's, not root's: no link in it is followed.
 *
 * @returns `undefined` when the folder is missing
 */
export async function packTpmState(
  files: Pick<Files, "list" | "inspect" | "read">,
  folder: string,
): Promise<PackedTpm | undefined> {
  if (await files.inspect(folder) === undefined) return undefined;
  const state: TpmFile[] = [];
  const strange: string[] = [];
  const look = async (prefix: string): Promise<void> => {
    for (
      const name of await files.list(`${folder}/${prefix}`.replace(/\/$/, ""), { below: folder })
    ) {
      const path = `${prefix}${name}`;
      const full = `${folder}/${path}`;
      if (isStatePath(path)) {
        const content = await files.read(full, { below: folder, limit: longestStateFile });
        state.push({ path, content });
      } else if (prefix === "" && (name === "tpm2" || name === "tpm1.2")) await look(`${name}/`);
      else if (!isLockPath(path)) strange.push(path);
    }
  };
  await look("");
  return { archive: writeTpmArchive(state), strange };
}

/**
 * Unpacks the archive of a backup into a new folder. Owners are left to libvirt, which gives a state to swtpm's user
 * when it starts the domain (qemuTPMEmulatorCreateStorage).
 *
 * @throws {VmbError} `tpm.archive` (exit 6) for an archive that is not as ours are: then there is no folder
 */
export async function unpackTpmState(
  files: Pick<Files, "makeFolder" | "write">,
  archive: Uint8Array,
  folder: string,
): Promise<void> {
  const state = readTpmArchive(archive);
  // Others must be able to go through it, as libvirt makes it.
  await files.makeFolder(folder, { mode: 0o711 });
  for (const { path, content } of state) {
    const slash = path.indexOf("/");
    if (slash > 0) {
      await files.makeFolder(`${folder}/${path.slice(0, slash)}`, { mode: 0o700, below: folder });
    }
    await files.write(`${folder}/${path}`, content, { mode: 0o600, below: folder });
  }
}
