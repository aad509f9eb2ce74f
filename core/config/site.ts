import type { ConfigProblem } from "../error.ts";
import type { Weekday } from "./cycle_start.ts";
import { inFileOrder } from "./problem.ts";
import { schemaProblems } from "./schema_problem.ts";
import { siteClashes } from "./site_clashes.ts";
import { type SiteItem, siteSchema } from "./site_schema.ts";

export interface SiteHypervisor {
  readonly name: string;
  readonly address: string;
  readonly fdPort: number;
  readonly ssh: { readonly user: string; readonly port: number };
  /** Where the program unpacks itself there; `undefined` for its own place. */
  readonly unpackDir: string | undefined;
}

/** What `site.yaml` says of the control VM and of all that it looks after. */
export interface Site {
  /** For people: any text that `nameFault` allows. */
  readonly name: string;
  readonly control: { readonly host: string; readonly addresses: readonly string[] };
  readonly rootless: boolean;
  readonly timeZone: string;
  readonly cycle: {
    readonly weekday: Weekday;
    readonly hour: number;
    readonly minute: number;
    readonly maxRunHours: number;
  };
  /** Jobs that run at once, site-wide. */
  readonly concurrency: number;
  readonly nfs: {
    readonly export: string;
    readonly mount: string;
    /** Id of the share that is meant. */
    readonly id?: string | undefined;
    readonly options: readonly string[];
  };
  readonly hypervisors: readonly SiteHypervisor[];
  readonly images: {
    readonly postgres: string;
    readonly director: string;
    readonly storage: string;
    readonly api: string;
    readonly web: string;
  };
  readonly ports: { readonly director: number; readonly storage: number; readonly web: number };
  readonly mail:
    | { readonly relay: string; readonly from: string; readonly recipients: readonly string[] }
    | undefined;
  readonly slackChannel: string | undefined;
  /** Bacula's own volumes. */
  readonly volumes: {
    readonly sizeGb: number;
    readonly retentionDays: { readonly metadata: number; readonly catalog: number };
  };
}

/**
 * Reads the text of a `site.yaml`; there is a site only if there is no problem.
 *
 * @param source path of the file, as problems name it
 */
export async function parseSite(
  text: string,
  source: string,
): Promise<{ readonly site: Site | undefined; readonly problems: readonly ConfigProblem[] }> {
  const { parseYaml } = await import("./yaml_document.ts");
  const document = parseYaml(text, source);
  if (document.problems.length > 0) return { site: undefined, problems: document.problems };
  const parsed = siteSchema(await import("zod")).safeParse(document.data ?? {});
  const problems = [
    ...schemaProblems(parsed.error?.issues ?? [], document, source),
    ...siteClashes(document, source),
  ];
  return parsed.success && problems.length === 0
    ? { site: toSite(parsed.data), problems: [] }
    : { site: undefined, problems: inFileOrder(problems) };
}

function toSite(item: SiteItem): Site {
  const { start, max_run_hours: maxRunHours } = item.cycle;
  return {
    name: item.name,
    control: item.control,
    rootless: item.rootless,
    timeZone: item.time_zone,
    cycle: { ...start, maxRunHours },
    concurrency: item.concurrency,
    nfs: item.nfs,
    hypervisors: item.hypervisors.map(({ fd_port: fdPort, unpack_dir: unpackDir, ...rest }) => ({
      ...rest,
      fdPort,
      unpackDir,
    })),
    images: item.images,
    ports: item.ports,
    mail: item.mail ?? undefined,
    slackChannel: item.slack_channel ?? undefined,
    volumes: { sizeGb: item.volumes.size_gb, retentionDays: item.volumes.retention_days },
  };
}
