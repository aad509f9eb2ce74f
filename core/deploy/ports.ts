import type { Site } from "../config/site.ts";
import type { ServiceName } from "../podman/service.ts";

/** The ports that containers publish on the control VM. */
export function publishedPorts(
  { ports }: Pick<Site, "ports">,
): readonly { readonly port: number; readonly service: ServiceName }[] {
  return [
    { port: ports.director, service: "vmb-director" },
    { port: ports.storage, service: "vmb-storage" },
    { port: ports.web, service: "vmb-web" },
  ];
}

/**
 * Lists the TCP ports that somebody listens on, of /proc/net/tcp or /proc/net/tcp6 (proc(5)): the local address
 * ends with the port in hex, and state 0A is LISTEN.
 */
export function listeningPorts(procNetTcp: string): ReadonlySet<number> {
  const rows = procNetTcp.matchAll(/^ *\d+: [0-9A-F]+:([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} 0A /gm);
  return new Set([...rows].map(([, port = ""]) => parseInt(port, 16)));
}
