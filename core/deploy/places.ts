import type { Site } from "../config/site.ts";
import type { Host } from "../sys/host.ts";
import type { System } from "../sys/system.ts";

/** The doors of the control VM. */
export type Machine = Pick<System, "clock" | "files" | "host" | "processes">;

/** Where a deploy puts things on the control VM. */
export interface ControlPlaces {
  /** Rendered configurations; the quadlets mount its folders. */
  readonly configs: string;
  /** A link to the repository that was deployed. */
  readonly repository: string;
  /** Where podman's generator looks for quadlets. */
  readonly quadlets: string;
  /** Units that are not quadlets. */
  readonly units: string;
  /** What vmb remembers of this machine. */
  readonly state: string;
  /** The words by which systemd is reached. */
  readonly systemctl: readonly ["systemctl", ...string[]];
}

/** Where a control VM that was deployed has its repository, whatever folder one is in. */
export const deployedRepository = "/etc/vm-backup/repository";

/** Tells the places: those of root, or those of the user whose containers they are. */
export function controlPlaces(
  { rootless }: Pick<Site, "rootless">,
  host: Pick<Host, "env">,
): ControlPlaces {
  const configs = "/etc/vm-backup";
  const repository = deployedRepository;
  if (!rootless) {
    return {
      configs,
      repository,
      quadlets: "/etc/containers/systemd",
      units: "/etc/systemd/system",
      state: "/var/lib/vm-backup/control",
      systemctl: ["systemctl"],
    };
  }
  const home = host.env("HOME") ?? "/";
  const config = host.env("XDG_CONFIG_HOME") ?? `${home}/.config`;
  return {
    configs,
    repository,
    quadlets: `${config}/containers/systemd`,
    units: `${config}/systemd/user`,
    state: `${host.env("XDG_STATE_HOME") ?? `${home}/.local/state`}/vm-backup/control`,
    systemctl: ["systemctl", "--user"],
  };
}
