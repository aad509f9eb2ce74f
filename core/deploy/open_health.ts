import type { Bconsole } from "../bacula/bconsole.ts";
import type { Report } from "../event.ts";
import type { System } from "../sys/system.ts";
import type { HealthContext } from "./health.ts";
import { loadSources } from "./load_sources.ts";
import { controlPlaces } from "./places.ts";

/** Loads what the checks of a site compare the machine with. */
export async function openHealth(
  system: System,
  repository: string,
  { bconsole, report }: { readonly bconsole: Bconsole; readonly report: Report },
): Promise<HealthContext> {
  // The certificate has a check of its own: the others shall run with one that expired.
  const { sources, inventory } = await loadSources(system, repository, report, {
    anyCertificate: true,
  });
  const places = controlPlaces(sources.site, system.host);
  return { system, bconsole, places, sources, vms: inventory.vms };
}
