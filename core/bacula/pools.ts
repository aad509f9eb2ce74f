import type { Site } from "../config/site.ts";
import { resourceNames } from "./names.ts";
import { type Resource, syntax } from "./resource.ts";

/**
 * A pool for what describes backups, and one for dumps of the catalog: each is kept for a time of its own.
 *
 * Only a volume that is no longer appended to is ever recycled. The little that vmb writes would not fill one
 * in years, so a volume is also closed after a part of its retention.
 */
export function pools(site: Pick<Site, "volumes">): readonly Resource[] {
  const { retentionDays } = site.volumes;
  return [
    pool(resourceNames.metadataPool, site, retentionDays.metadata),
    pool(resourceNames.catalogPool, site, retentionDays.catalog),
  ];
}

function pool(name: string, { volumes }: Pick<Site, "volumes">, days: number): Resource {
  return {
    kind: "Pool",
    lines: [
      ["Name", name],
      ["Pool Type", syntax("Backup")],
      ["Label Format", `${name}-`],
      ["Maximum Volume Bytes", syntax(`${volumes.sizeGb}G`)],
      ["Volume Use Duration", syntax(`${Math.max(1, Math.ceil(days / 6))} days`)],
      ["Volume Retention", syntax(`${days} days`)],
      ["AutoPrune", true],
      ["Recycle", true],
    ],
  };
}
