export interface SiteHypervisor {
  readonly name: string;
  readonly address: string;
  readonly fdPort: number;
  readonly ssh: { readonly user: string; readonly port: number };
}
export interface Site {
  readonly name: string;
  readonly control: { readonly host: string; readonly addresses: readonly string[] };
  readonly rootless: boolean;
  readonly timeZone: string;
  readonly cycle: {
    readonly weekday: "sun" | "mon" | "tue" | "wed" | "thu" | "fri" | "sat";
    readonly hour: number;
    readonly minute: number;
    readonly maxRunHours: number;
  };
  /** Jobs that run at once, site-wide. */
  readonly concurrency: number;
  readonly nfs: {
    readonly export: string;
    readonly mount: string;
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
  readonly mail: {
    readonly relay: string;
    readonly from: string;
    readonly recipients: readonly string[];
  } | undefined;
  readonly slackChannel: string | undefined;
  /** Bacula's own volumes. */
  readonly volumes: {
    readonly sizeGb: number;
    readonly retentionDays: { readonly metadata: number; readonly catalog: number };
  };
}
