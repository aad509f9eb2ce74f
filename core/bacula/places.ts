import type { Site } from "../config/site.ts";

/** Where Bacula's daemons find each other and their files. */
export interface BaculaPlaces {
  /** Folder of the rendered configurations, with `hooks/`. */
  readonly config: string;
  /** Folder of the secrets that the configurations of Director, Storage Daemon and consoles include. */
  readonly secrets: string;
  /** Working folder and folder of process ids, of Director and Storage Daemon. */
  readonly work: string;
  readonly run: string;
  /** Folder of the volumes, as the Storage Daemon sees it. */
  readonly archive: string;
  /** Folder of the catalog's dumps, as the Director sees it, and as hypervisors do. */
  readonly dumps: { readonly director: string; readonly hypervisor: string };
  readonly catalog: { readonly host: string; readonly port: number };
  /** Where consoles reach the Director, and the ports that both daemons listen on. */
  readonly director: { readonly host: string; readonly port: number };
  readonly storagePort: number;
  readonly hypervisor: {
    readonly secrets: string;
    readonly work: string;
    readonly run: string;
    /** What people and `vmb ctl` start by ssh. */
    readonly vmb: string;
    /** The one program that a job may start: it knows three words, and checks what follows them. */
    readonly launcher: string;
  };
}

/** The places of a site: Director and Storage Daemon in containers, File Daemons on the hypervisors. */
export function sitePlaces(site: Pick<Site, "nfs">): BaculaPlaces {
  return {
    config: "/etc/vmb-bacula",
    secrets: "/run/secrets",
    work: "/var/lib/bacula",
    run: "/run/bacula",
    archive: "/var/lib/bacula/archive",
    dumps: {
      director: "/var/lib/bacula/catalog",
      hypervisor: `${site.nfs.mount}/metadata/bacula/catalog`,
    },
    catalog: { host: "vmb-postgres", port: 5432 },
    director: { host: "vmb-director", port: 9101 },
    storagePort: 9103,
    hypervisor: {
      secrets: "/etc/bacula",
      work: "/var/spool/bacula",
      run: "/run",
      vmb: "/usr/local/bin/vmb",
      launcher: "/opt/vm-backup/jobs/vmb-job",
    },
  };
}
