/** Where an installation lies. These paths are also in the units, and in Bacula's jobs. */
export const places = {
  base: "/opt/vm-backup",
  bin: "/opt/vm-backup/bin",
  program: "/opt/vm-backup/bin/vmb",
  /** Where an upgrade is made, before it takes the place of the program. */
  newProgram: "/opt/vm-backup/bin/vmb.new",
  /** A folder of its own, for all of it is what Bacula's File Daemon may start. */
  jobs: "/opt/vm-backup/jobs",
  launcher: "/opt/vm-backup/jobs/vmb-job",
  config: "/opt/vm-backup/config",
  logs: "/opt/vm-backup/logs",
  /** What was in the way of an installation, and was replaced because someone said so. */
  replaced: "/opt/vm-backup/replaced",
  record: "/opt/vm-backup/.installed.json",
  lock: "/opt/vm-backup/.install.lock",
  link: "/usr/local/bin/vmb",
  /** The name by which the Bacula jobs of a site are run by hand. */
  labLink: "/usr/local/bin/lab-backup",
  units: "/etc/systemd/system",
  logrotate: "/etc/logrotate.d/vm-backup",
  fileDaemonConfig: "/etc/bacula/bacula-fd.conf",
  fileDaemonPassword: "/etc/bacula/vmb-fd-password",
  /** Where the self-extracting form unpacks itself. */
  unpacked: "/var/cache/vmb",
  state: "/var/lib/vm-backup",
} as const;

/** The place of `path` below a prefix, which is empty unless an image of a machine is worked on. */
export function below(root: string, path: string): string {
  return `${root}${path}`;
}

/** Where the journals of runs lie unless the configuration says otherwise. */
export function defaultStateFolder(root: string): string {
  return below(root, `${places.state}/state`);
}

export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
