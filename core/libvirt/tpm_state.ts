import type { Host } from "../sys/host.ts";

/** Where libvirt keeps the state of a domain's emulated TPM: it goes by the UUID. */
export function tpmStateFolder(host: Pick<Host, "env">, uri: string, uuid: string): string {
  if (!uri.endsWith("/session")) return `/var/lib/libvirt/swtpm/${uuid}`;
  const config = host.env("XDG_CONFIG_HOME") ?? `${host.env("HOME") ?? ""}/.config`;
  return `${config}/libvirt/qemu/swtpm/${uuid}`;
}
