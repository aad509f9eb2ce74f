import * as z from "zod";

/** What somebody may do with a backup; to look at its content, or to boot a copy of it, is to restore. */
export const operations = ["list", "verify", "restore", "prune"] as const;
export type Operation = (typeof operations)[number];

const features = z.array(z.string().min(1).max(60)).max(100).default([]);

/** Names of features that a reader must know, for each thing that it may do: borg's manifest has such a table. */
export const needsSchema = z.looseObject({
  list: features,
  verify: features,
  restore: features,
  prune: features,
});

export type Needs = Readonly<Record<Operation, string[]>>;

/** Features that this vmb knows, whatever it does. Once in a released vmb, a name is never given another meaning. */
const known: ReadonlySet<string> = new Set([
  // Clusters of an image are compressed by Zstandard.
  "zstd",
]);

/** What a backup with these disks needs of its readers. */
export function needsOf(disks: readonly { readonly compression: string }[]): Needs {
  const restore = disks.some(({ compression }) => compression === "zstd") ? ["zstd"] : [];
  return { list: [], verify: [], restore, prune: [] };
}

/** A feature that an operation needs, and that this vmb does not know. */
export function missingFeature(needs: Needs, operation: Operation): string | undefined {
  return needs[operation].find((feature) => !known.has(feature));
}
