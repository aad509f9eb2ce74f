import type { DiskExport } from "../image/disk_export.ts";
import { VmbError } from "../error.ts";
import type { ProofContext } from "./context.ts";
import type { Proof } from "./proof.ts";
import { compareSample, takeSample } from "./sample.ts";

/** Clusters of each disk that are compared while the copy boots: 256 MiB of data. */
const sampleSize = 4096;

/** How long reading the share may take for that. */
const patienceMs = 300_000;

/**
 * Compares a sample of every disk with its block map, and the block map with the manifest. A disk of up to
 * 256 MiB of data is compared as a whole.
 *
 * @throws {VmbError} `proof.content`, `block-map.invalid` or `nbd.remote`: the backup is damaged
 */
export async function compareContent(
  { system, backup, signal }: Pick<ProofContext, "system" | "backup" | "signal">,
  exports: readonly DiskExport[],
): Promise<Proof["compared"]> {
  const within = AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]);
  const compared: Proof["compared"] = [];
  for (const { target, blockMap, contentDigest } of backup.manifest.disks) {
    const source = exports.find((each) => each.target === target);
    if (source === undefined) continue;
    const sample = await takeSample(`${backup.folder}/${blockMap}`, sampleSize, within, {
      below: backup.address.root,
    });
    if (sample.contentDigest !== contentDigest) {
      throw new VmbError(
        `File "${blockMap}" was changed: its content digest is not that of the manifest`,
        {
          code: "proof.content",
          hint: "Verify the whole backup: vmb hv verify; and make a new one",
        },
      );
    }
    await compareSample(system, source, sample, within);
    compared.push({ target, clusters: sample.chosen.length, of: sample.total });
  }
  return compared;
}

/** `vda 384 of 384 clusters, vdb 4096 of 81920 clusters` */
export function showCompared(compared: Proof["compared"]): string {
  return compared.map(({ target, clusters, of }) => `${target} ${clusters} of ${of} clusters`)
    .join(", ");
}
