import type { Host } from "../sys/host.ts";

/** Where libvirt keeps the state of a domain's emulated TPM: it goes by the UUID. */
export function tpmStateFolder(host: Pick<Host, "env">, uri: string, uuid: string): string {
  return uri.endsWith("/session")
    ? `${sessionFolder(host)}/swtpm/${uuid}`
    : `/var/lib/libvirt/swtpm/${uuid}`;
}

/** Where libvirt keeps UEFI variables by itself. */
export function nvramFolder(host: Pick<Host, "env">, uri: string): string {
  return uri.endsWith("/session") ? `${sessionFolder(host)}/nvram` : "/var/lib/libvirt/qemu/nvram";
}

function sessionFolder(host: Pick<Host, "env">): string {
  return `${host.env("XDG_CONFIG_HOME") ?? `${host.env("HOME") ?? ""}/.config`}/libvirt/qemu`;
}
