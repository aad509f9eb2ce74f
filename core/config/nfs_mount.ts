import { parseAddress } from "./address.ts";
import type { Parsed } from "./setting_type.ts";

/** A path that needs no quotes in any file of a control VM: of Bacula, systemd, podman or fstab. */
const plainPath = /^(\/[A-Za-z0-9._@+-]+)+$/;
const pathHint = "Start it with /, and use letters, digits and . _ @ + - only";

/** Reads the path of a mount point. */
export function parseMountPath(text: string): Parsed<string> {
  const trimmed = text.replace(/(?<=.)\/+$/, "");
  return isPlainPath(trimmed)
    ? { value: trimmed }
    : { reason: "expected the absolute path of a mount point", hint: pathHint };
}

/** Reads what an NFS server exports: `server:/path`. */
export function parseExport(text: string): Parsed<string> {
  const [, server = "", address = server, path = ""] =
    /^(\[([^\]]*)\]|[^:[\]]*):(\/.*)$/.exec(text) ?? [];
  const valid = "value" in parseAddress(address) && (path === "/" || isPlainPath(path)) &&
    address.includes(":") === server.startsWith("[");
  return valid ? { value: text } : {
    reason: "expected a server and a path, as nas.example.org:/export/backup",
    hint: "An IPv6 address stands in brackets: [2001:db8::1]:/export",
  };
}

function isPlainPath(path: string): boolean {
  return plainPath.test(path) && !path.split("/").some((part) => part === "." || part === "..");
}
