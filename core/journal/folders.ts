import type { DomainDescription } from "../libvirt/domain_xml.ts";
import type { System } from "../sys/system.ts";

/** The local folders of one run. */
export interface RunFolders {
  /** Sockets, scratch files and overlays; QEMU's user owns it, because QEMU makes the socket itself. */
  readonly scratchFolder: string;
  /** Command files and logs; of root only, because domain XML holds passwords. */
  readonly stagingFolder: string;
}

export function runFolders(
  settings: { readonly scratchDir: string; readonly stateDir: string },
  runId: string,
): RunFolders {
  return {
    scratchFolder: `${settings.scratchDir}/${runId}`,
    stagingFolder: `${settings.stateDir}/runs/${runId}`,
  };
}

/** Makes both folders; the journal names them before. */
export async function makeRunFolders(
  { files, processes }: Pick<System, "files" | "processes">,
  { scratchFolder, stagingFolder }: RunFolders,
  owner: DomainDescription["owner"],
): Promise<void> {
  await files.makeFolder(stagingFolder, { mode: 0o700 });
  await files.makeFolder(scratchFolder.slice(0, scratchFolder.lastIndexOf("/")), { mode: 0o711 });
  await files.makeFolder(scratchFolder, { mode: 0o700 });
  if (owner !== undefined) await files.own(scratchFolder, owner.uid, owner.gid);
  await labelForQemu({ files, processes }, scratchFolder);
}

/**
 * Under SELinux, QEMU (svirt_t) may make sockets only in folders of its own images' type. Where there is no
 * SELinux, or the policy lacks the type, nothing is done: libvirt's own words then say what was refused.
 */
async function labelForQemu(
  { files, processes }: Pick<System, "files" | "processes">,
  folder: string,
): Promise<void> {
  if (await files.inspect("/sys/fs/selinux/enforce") === undefined) return;
  await processes.run(["chcon", "--type=svirt_image_t", "--range=s0", folder]);
}
