/**
 * Names on the share (the contract of the repository):
 *
 * ```
 * <root>/<hypervisor>/<vm>/<YYYY-MM-DD-HHMMSS>/   one backup
 * <root>/<hypervisor>/<vm>/.<id>.partial/         one that is being written
 * <root>/metadata/                                locks, catalog, summary of the last run
 * ```
 */
export interface BackupAddress {
  readonly root: string;
  readonly hypervisor: string;
  readonly vm: string;
  readonly id: string;
}

export const manifestName = "backup-metadata.json";
export const checksumsName = "checksums.sha256";
export const logName = "backup.log";

export function vmFolder({ root, hypervisor, vm }: Omit<BackupAddress, "id">): string {
  return `${root}/${hypervisor}/${vm}`;
}

export function backupFolder(address: BackupAddress): string {
  return `${vmFolder(address)}/${address.id}`;
}

export function partialFolder(address: BackupAddress): string {
  return `${vmFolder(address)}/.${address.id}.partial`;
}

export function metadataFolder(root: string): string {
  return `${root}/metadata`;
}

export function locksFolder(root: string): string {
  return `${metadataFolder(root)}/locks`;
}

/** The id of a backup that begins now: local time, as the administrator's clock shows it. */
export function backupId(now: Date): string {
  const two = (value: number) => String(value).padStart(2, "0");
  const date = `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`;
  return `${date}-${two(now.getHours())}${two(now.getMinutes())}${two(now.getSeconds())}`;
}

/** The time that an id stands for, in milliseconds since 1970, by this machine's time zone. */
export function timeOfBackupId(id: string): number {
  const [year, month, day, time = ""] = id.split("-");
  const [hours, minutes, seconds] = [time.slice(0, 2), time.slice(2, 4), time.slice(4, 6)];
  return new Date(
    ...[Number(year), Number(month) - 1, Number(day)] as const,
    ...[Number(hours), Number(minutes), Number(seconds)] as const,
  ).getTime();
}

export function isBackupId(name: string): boolean {
  return /^\d{4}-\d{2}-\d{2}-\d{6}$/.test(name);
}

/** Whether a run was writing that folder, or taking it away. */
export function isPartialName(name: string): boolean {
  return /^\.(removed-)?\d{4}-\d{2}-\d{2}-\d{6}\.partial$/.test(name);
}

/** Files are keyed by disk target: two disks may have one file name in different folders. */
export function imageName(vm: string, target: string): string {
  return `${vm}-${target}.qcow2`;
}

export function blockMapName(vm: string, target: string): string {
  return `${vm}-${target}.blockmap`;
}
