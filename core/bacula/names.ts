import { createHash } from "node:crypto";
import { escapeName } from "../config/escaped_name.ts";

/** Bacula allows 127, and cuts a name when it adds 23 characters for the unique name of a run. */
const longest = 100;

/** The job that backs up a VM, and its FileSet; two VMs never have one job. */
export function vmJobName(vm: string): string {
  return resourceName("vm-", vm, "");
}

/** The monthly test restore on a hypervisor, and its FileSet. */
export function testRestoreJobName(hypervisor: string): string {
  return resourceName("test-restore-", hypervisor, "");
}

/** The File Daemon of a hypervisor, on both sides. */
export function clientName(hypervisor: string): string {
  return resourceName("", hypervisor, "-fd");
}

/** Of a name that is too long the digest is kept: "::" is in no escaped name. */
function resourceName(before: string, name: string, after: string): string {
  const escaped = escapeName(name);
  const room = longest - before.length - after.length;
  if (escaped.length <= room) return `${before}${escaped}${after}`;
  const digest = createHash("sha256").update(name).digest("hex").slice(0, 32);
  const kept = escaped.slice(0, room - digest.length - 2).replace(/:.?$/, "");
  return `${before}${kept}::${digest}${after}`;
}

/** Names of the resources that every site has once. */
export const resourceNames = {
  director: "vmb-dir",
  storageDaemon: "vmb-sd",
  storage: "vmb-file",
  device: "vmb-volumes",
  mediaType: "vmb-file",
  catalog: "vmb-catalog",
  adminConsole: "vmb-admin",
  monitorConsole: "vmb-monitor",
  metadataPool: "vmb-metadata",
  catalogPool: "vmb-catalog",
  catalogJob: "catalog",
  summaryJob: "summary",
  /** For jobs whose FileSet Bacula wants and never reads. */
  noFiles: "none",
  vmDefaults: "vmb-vm",
} as const;
