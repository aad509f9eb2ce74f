import type { Parsed } from "./setting_type.ts";

const wanted = "expected a host name or an IP address";

/** Reads the host name (RFC 1123) or the IP address of a machine. */
export function parseAddress(text: string): Parsed<string> {
  if (text.includes(":")) {
    return /^[0-9A-Fa-f:.]+$/.test(text) && URL.canParse(`http://[${text}]/`)
      ? { value: text }
      : { reason: wanted, hint: "A port has a key of its own" };
  }
  // What looks like four numbers is never a host name.
  if (/^[\d.]+$/.test(text)) {
    const bytes = text.split(".");
    const valid = bytes.length === 4 &&
      bytes.every((byte) => /^(0|[1-9]\d{0,2})$/.test(byte) && Number(byte) <= 255);
    return valid ? { value: text } : { reason: wanted };
  }
  const labels = text.split(".");
  const valid = text.length <= 253 &&
    labels.every((label) => /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(label));
  return valid ? { value: text } : { reason: wanted };
}

/** Reads the address of a mailbox, without the quoted forms of RFC 5321 that no one uses. */
export function parseMailAddress(text: string): Parsed<string> {
  const [, host = ""] = /^[A-Za-z0-9._+-]{1,64}@(.+)$/.exec(text) ?? [];
  return host !== "" && !host.includes(":") && "value" in parseAddress(host)
    ? { value: text }
    : { reason: "expected a mail address, as backup@example.org" };
}

/** Reads the host of a mail relay, with a port if it is not 25. */
export function parseRelay(text: string): Parsed<string> {
  const [, host = text, port = "25"] = /^([^:]*):(\d{1,5})$/.exec(text) ?? [];
  const valid = "value" in parseAddress(host) && Number(port) >= 1 && Number(port) <= 65_535;
  return valid
    ? { value: text }
    : { reason: "expected a host name or an IP address, and a port if it is not 25" };
}
