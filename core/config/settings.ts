import {
  absolutePath,
  bandwidth,
  choice,
  count,
  fileSystemTypes,
  gibibytes,
  hypervisorName,
  libvirtUri,
  seconds,
  type SettingType,
  shareId,
  webhook,
  yesOrNo,
} from "./setting_type.ts";

/** The values of `vm-backup.conf`, after environment and flags had their say. */
export interface Settings {
  readonly hypervisorName: string;
  readonly backupRoot: string;
  readonly backupFstypes: readonly string[];
  /** Whether the backup root may lie on this machine's own disk. */
  readonly backupLocal: boolean;
  /** Id of the one share that is meant; `undefined` for any. */
  readonly backupShareId: string | undefined;
  readonly libvirtUri: string;
  readonly imageDir: string;
  readonly scratchDir: string;
  readonly stateDir: string;
  readonly logDir: string;
  /** Bytes. */
  readonly minFreeBytes: number;
  readonly freezeTimeoutSeconds: number;
  readonly shareTimeoutSeconds: number;
  /** Bytes per second; `undefined` for no limit. */
  readonly bandwidthLimit: number | undefined;
  /** VMs that are backed up at once on all hypervisors together. */
  readonly concurrentBackups: number;
  readonly compression: "none" | "zstd";
  /** Secret: whoever knows the URL can post. */
  readonly slackFailureWebhook: string | undefined;
  /** Secret: whoever knows the URL can post. */
  readonly slackSuccessWebhook: string | undefined;
}

/** A key of `vm-backup.conf`. */
export type SettingKey =
  | "HYPERVISOR_NAME"
  | "BACKUP_ROOT"
  | "BACKUP_FSTYPES"
  | "BACKUP_LOCAL"
  | "BACKUP_SHARE_ID"
  | "LIBVIRT_URI"
  | "IMAGE_DIR"
  | "SCRATCH_DIR"
  | "STATE_DIR"
  | "LOG_DIR"
  | "MIN_FREE_GB"
  | "FREEZE_TIMEOUT_SECONDS"
  | "SHARE_TIMEOUT_SECONDS"
  | "BANDWIDTH_LIMIT"
  | "CONCURRENT_BACKUPS"
  | "COMPRESSION"
  | "SLACK_FAILURE_WEBHOOK"
  | "SLACK_SUCCESS_WEBHOOK";

export interface Setting<Value> {
  readonly key: SettingKey;
  readonly type: SettingType<Value>;
  /** As it would be written in the file; `undefined` when it depends on the machine. */
  readonly fallback: string | undefined;
  /** The value is never shown. */
  readonly secret?: true;
  readonly description: string;
}

/** All settings, in the order in which they are shown. */
export const settingTable: {
  readonly [Name in keyof Settings]: Setting<Settings[Name]>;
} = {
  hypervisorName: {
    key: "HYPERVISOR_NAME",
    type: hypervisorName,
    fallback: undefined,
    description: "Name of this hypervisor: its folder on the share. Default: the short host name",
  },
  backupRoot: {
    key: "BACKUP_ROOT",
    type: absolutePath,
    fallback: "/mnt/backup",
    description: "Where the share is mounted",
  },
  backupFstypes: {
    key: "BACKUP_FSTYPES",
    type: fileSystemTypes,
    fallback: "nfs nfs4",
    description: "File system types that the mount may have, separated by spaces",
  },
  backupLocal: {
    key: "BACKUP_LOCAL",
    type: yesOrNo,
    fallback: "no",
    description: "Whether BACKUP_ROOT may be a folder of this machine's own disk, and no mount",
  },
  backupShareId: {
    key: "BACKUP_SHARE_ID",
    type: shareId,
    fallback: "",
    description: "Id of the share, as vmb hv init-share says it; empty: any share will do",
  },
  libvirtUri: {
    key: "LIBVIRT_URI",
    type: libvirtUri,
    fallback: "qemu:///system",
    description: "URI of libvirt on this machine",
  },
  imageDir: {
    key: "IMAGE_DIR",
    type: absolutePath,
    fallback: "/var/lib/libvirt/images",
    description: "Folder of the disk images; restored disks go there",
  },
  scratchDir: {
    key: "SCRATCH_DIR",
    type: absolutePath,
    fallback: "/var/lib/vm-backup/scratch",
    description: "Local folder for what a running VM overwrites while it is copied",
  },
  stateDir: {
    key: "STATE_DIR",
    type: absolutePath,
    fallback: "/var/lib/vm-backup/state",
    description: "Local folder of the journal, by which a killed run is put right",
  },
  logDir: {
    key: "LOG_DIR",
    type: absolutePath,
    fallback: "/opt/vm-backup/logs",
    description: "Folder of the log files",
  },
  minFreeBytes: {
    key: "MIN_FREE_GB",
    type: gibibytes,
    fallback: "50",
    description: "Free local space in GiB below which no backup begins",
  },
  freezeTimeoutSeconds: {
    key: "FREEZE_TIMEOUT_SECONDS",
    type: seconds(1, 600),
    fallback: "60",
    description: "Seconds that the guest agent has for freezing or thawing",
  },
  shareTimeoutSeconds: {
    key: "SHARE_TIMEOUT_SECONDS",
    type: seconds(1, 3600),
    fallback: "30",
    description: "Seconds that the share has for an answer",
  },
  bandwidthLimit: {
    key: "BANDWIDTH_LIMIT",
    type: bandwidth,
    fallback: "",
    description: "Bytes per second that a backup writes at most, as 200M or 1.5G; empty: no limit",
  },
  concurrentBackups: {
    key: "CONCURRENT_BACKUPS",
    type: count(1, 20),
    fallback: "1",
    description: "VMs that are backed up at once, on all hypervisors together: the same on each",
  },
  compression: {
    key: "COMPRESSION",
    type: choice(["none", "zstd"]),
    fallback: "none",
    description: "Compression of the disk images",
  },
  slackFailureWebhook: {
    key: "SLACK_FAILURE_WEBHOOK",
    type: webhook,
    fallback: "",
    secret: true,
    description: "Slack webhook for failures; empty: none",
  },
  slackSuccessWebhook: {
    key: "SLACK_SUCCESS_WEBHOOK",
    type: webhook,
    fallback: "",
    secret: true,
    description: "Slack webhook for successes; empty: none",
  },
};

/** The keys of `vm-backup.conf`, in the order in which they are shown. */
export const settingKeys: readonly SettingKey[] = Object.values(settingTable).map(({ key }) => key);

export function isSettingKey(word: string): word is SettingKey {
  return settingKeys.some((key) => key === word);
}
