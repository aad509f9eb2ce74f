import { formatBytes } from "../format/bytes.ts";
import type { OtherData } from "../libvirt/other_data.ts";
import type { ManifestOtherData } from "../repository/manifest.ts";
import type { PartialBackup } from "../repository/partial.ts";
import type { Files } from "../sys/files.ts";

/** The largest that is kept, in bytes; it is held in memory. */
const largest = 512 * 1024 ** 2;

/**
 * Keeps the files that a domain does not start without, such as a kernel or an Ignition file of fw_cfg, as `boot/1`,
 * `boot/2`, ... in the backup.
 *
 * @returns all that the domain uses and is no disk, with the name of each file that was kept; and a warning for each that
 *   was not
 */
export async function keepBootFiles(
  files: Pick<Files, "inspectTarget" | "read">,
  partial: Pick<PartialBackup, "add">,
  otherData: readonly OtherData[],
): Promise<{ readonly kept: readonly ManifestOtherData[]; readonly warnings: readonly string[] }> {
  const kept: ManifestOtherData[] = [];
  const warnings: string[] = [];
  const names = new Map<string, string>();
  for (const { kind, source, use } of otherData) {
    let file = names.get(source) ?? null;
    if (use === "boot" && file === null) {
      const problem = await problemOf(files, source);
      if (problem === undefined) {
        file = `boot/${names.size + 1}`;
        await partial.add(file, "boot-file", await files.read(source));
        names.set(source, file);
      } else warnings.push(`${kind} "${source}" is not in the backup: ${problem}`);
    }
    kept.push({ kind, source, use, file });
  }
  return { kept, warnings };
}

async function problemOf(
  files: Pick<Files, "inspectTarget">,
  path: string,
): Promise<string | undefined> {
  const info = await files.inspectTarget(path);
  if (info === undefined) return "it is not there";
  if (info.kind !== "file") return "it is no plain file";
  return info.size > largest ? `it has ${formatBytes(info.size)}` : undefined;
}
