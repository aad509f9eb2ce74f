import { createPrivateKey, X509Certificate } from "node:crypto";
import { quoted } from "../format/quoted.ts";

/** Something that is wrong with the certificate of the web servers. */
export interface CertificateProblem {
  readonly kind:
    | "unreadable"
    | "not-yet-valid"
    | "expired"
    | "expires-soon"
    | "name-missing"
    | "key-unreadable"
    | "key-mismatch"
    | "key-mode";
  /** One that only will become a problem does not keep anybody from using the certificate. */
  readonly severity: "error" | "warning";
  /** One sentence without a full stop. */
  readonly message: string;
  readonly hint: string;
}

const day = 86_400_000;

/** Days before its end from which on a certificate is warned of. */
export const expiryWarningDays = 30;

const regenerate = "Run: vmb ctl certs --regenerate, and then vmb ctl deploy";

/** A CA's is not ours to make anew: browsers would not trust what comes instead. */
const fromItsCa =
  "Get another from its CA, and put it into tls/cert.pem, the server's own first, " +
  "and its key into tls/key.pem; then: vmb ctl deploy";

/**
 * Lists what is wrong with a certificate and its key: unreadable, expired or soon to expire, for other names, not of
 * this key, a key that others may read.
 *
 * @param subject.certificate PEM
 * @param subject.key PEM
 * @param subject.keyMode of its file
 * @param subject.names host names and addresses that browsers use
 */
export function certificateProblems(subject: {
  readonly certificate: string;
  readonly key: string;
  readonly keyMode: number;
  readonly names: readonly string[];
  readonly now: Date;
}): readonly CertificateProblem[] {
  const { keyMode, names, now } = subject;
  const certificate = readable(() => new X509Certificate(subject.certificate));
  const key = readable(() => createPrivateKey(subject.key));
  const problems: CertificateProblem[] = [];
  const another = certificate !== undefined && certificate.issuer !== certificate.subject
    ? fromItsCa
    : regenerate;
  const error = (kind: CertificateProblem["kind"], message: string, hint = another) =>
    problems.push({ kind, severity: "error", message, hint });
  if (certificate === undefined) error("unreadable", ...unreadable(subject.certificate));
  if (key === undefined) error("key-unreadable", ...keyUnreadable(subject.key));
  if ((keyMode & 0o077) !== 0) {
    error(
      "key-mode",
      `The key of the certificate can be opened by others (mode ${
        keyMode.toString(8).padStart(4, "0")
      })`,
      "Run: chmod 600 on it; and if others may have read it: vmb ctl certs --regenerate",
    );
  }
  if (certificate === undefined) return problems;
  const from = new Date(certificate.validFrom);
  const to = new Date(certificate.validTo);
  const days = Math.floor((to.getTime() - now.getTime()) / day);
  if (now < from) {
    error(
      "not-yet-valid",
      `The certificate is valid from ${from.toISOString()} on`,
      "Look at the clock of this machine",
    );
  } else if (now >= to) {
    error("expired", `The certificate expired on ${dateOf(to)}`);
  } else if (days < expiryWarningDays) {
    problems.push({
      kind: "expires-soon",
      severity: "warning",
      message: `The certificate expires in ${days} days, on ${dateOf(to)}`,
      hint: another,
    });
  }
  const covered = certificateNames(certificate);
  for (const name of names) {
    if (covers(covered, name)) continue;
    error(
      "name-missing",
      `The certificate is not for ${quoted(name)}: it has ${covered.join(", ") || "no names"}`,
    );
  }
  if (key !== undefined && !certificate.checkPrivateKey(key)) {
    const own = pemBlocks(subject.certificate).slice(1)
      .some((pem) => readable(() => new X509Certificate(pem))?.checkPrivateKey(key));
    if (own) {
      error(
        "key-mismatch",
        "The first certificate of the file is not that of the key, but a later one is",
        "Put the server's own certificate first in tls/cert.pem, and its CA's after it",
      );
    } else error("key-mismatch", "The key does not belong to the certificate");
  }
  return problems;
}

/** What is wrong with text that is no certificate, and what to do. */
function unreadable(text: string): readonly [message: string, hint: string] {
  if (text.includes("-----BEGIN") || text === "") {
    return ["The certificate cannot be read", regenerate];
  }
  return [
    "The certificate is not in the form PEM",
    "Convert it: openssl x509 -inform DER -in CERTIFICATE -out tls/cert.pem",
  ];
}

function keyUnreadable(text: string): readonly [message: string, hint: string] {
  if (/ENCRYPTED/.test(text)) {
    return [
      "The key of the certificate is encrypted: nginx would ask for its passphrase at each start",
      "Decrypt it: openssl pkey -in KEY -out tls/key.pem; then: chmod 600 tls/key.pem",
    ];
  }
  if (text.includes("-----BEGIN") || text === "") {
    return ["The key of the certificate cannot be read", regenerate];
  }
  return [
    "The key of the certificate is not in the form PEM",
    "Convert it: openssl pkey -inform DER -in KEY -out tls/key.pem; then: chmod 600 tls/key.pem",
  ];
}

function pemBlocks(text: string): readonly string[] {
  return text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
}

/** The host names and addresses of a certificate, in the form of `canonicalName`. */
export function certificateNames(certificate: X509Certificate): readonly string[] {
  const entries = certificate.subjectAltName?.split(", ") ?? [];
  return entries.flatMap((entry) => {
    const [, kind, name = ""] = /^(DNS|IP Address):(.*)$/.exec(entry) ?? [];
    return kind === undefined ? [] : [canonicalName(name)];
  });
}

/** Writes a host name or an address in one form: lower case, IPv6 as RFC 5952 has it. */
export function canonicalName(name: string): string {
  if (!name.includes(":")) return name.toLowerCase();
  return URL.parse(`http://[${name}]/`)?.hostname.slice(1, -1) ?? name.toLowerCase();
}

function covers(covered: readonly string[], name: string): boolean {
  const wanted = canonicalName(name);
  // A certificate that the site brought itself may be for *.example.org.
  const wildcard = wanted.replace(/^[^.]+/, "*");
  return covered.includes(wanted) || (/[a-z]/.test(wanted) && covered.includes(wildcard));
}

function readable<Value>(read: () => Value): Value | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function dateOf(date: Date): string {
  return date.toISOString().slice(0, 10);
}
