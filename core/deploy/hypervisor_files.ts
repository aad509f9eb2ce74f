import { settingsFile, vmListFile } from "../config/configuration.ts";
import type { Site, SiteHypervisor } from "../config/site.ts";
import type { SettingKey } from "../config/settings.ts";
import type { PushedName } from "../install/pushed.ts";

/** What the repository of a site has for its hypervisors. */
export interface PushSource {
  readonly site: Pick<Site, "nfs" | "hypervisors" | "concurrency">;
  /** Text of the site's `vm-list.yaml`. It names all VMs: one may be moved to another hypervisor. */
  readonly vmList: string;
  /** Settings for all hypervisors, beside those that follow from the site. */
  readonly settings: ReadonlyMap<SettingKey, string>;
  /** The configuration of a hypervisor's File Daemon; it includes the file with the password. */
  readonly renderFd: (site: PushSource["site"], hypervisor: SiteHypervisor) => string;
  /** Text of the file with the password; secret. */
  readonly fdPassword: string;
}

/** Settings that follow from `site.yaml` and `secrets.conf`. */
export const siteSettings: readonly SettingKey[] = [
  "HYPERVISOR_NAME",
  "BACKUP_ROOT",
  "BACKUP_SHARE_ID",
  "CONCURRENT_BACKUPS",
  "SLACK_FAILURE_WEBHOOK",
  "SLACK_SUCCESS_WEBHOOK",
];

/** Makes the files of a hypervisor, by the names under which `vmb hv install` takes them. */
export function hypervisorFiles(
  source: PushSource,
  hypervisor: SiteHypervisor,
): ReadonlyMap<PushedName, string> {
  const { site, vmList, settings, renderFd, fdPassword } = source;
  const lines: readonly (readonly [SettingKey, string])[] = [
    ["HYPERVISOR_NAME", hypervisor.name],
    ["BACKUP_ROOT", site.nfs.mount],
    ...site.nfs.id === undefined ? [] : [["BACKUP_SHARE_ID", site.nfs.id] as const],
    ["CONCURRENT_BACKUPS", String(site.concurrency)],
    ...settings,
  ];
  const { unpackDir } = hypervisor;
  return new Map<PushedName, string>([
    ...unpackDir === undefined ? [] : [["unpack-dir", `${unpackDir}\n`] as const],
    [settingsFile, [madeBy, ...lines.map(settingLine), ""].join("\n")],
    [vmListFile, vmList],
    ["vmb-fd-password", fdPassword],
    ["bacula-fd.conf", renderFd(site, hypervisor)],
  ]);
}

const madeBy =
  `# Made by vmb ctl push for this hypervisor. Change the repository of the control VM instead:
# what is changed here is asked about at the next push.
`;

/** A line of `vm-backup.conf`, as `parseKeyValue` reads it; what needs quotes has not both kinds in it. */
function settingLine([key, value]: readonly [SettingKey, string]): string {
  if (!/^['"\s]|\s$|\s#/.test(value)) return `${key}=${value}`;
  const quote = value.includes('"') ? "'" : '"';
  return `${key}=${quote}${value}${quote}`;
}
