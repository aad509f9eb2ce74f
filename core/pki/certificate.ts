import { exitCodes, VmbError } from "../error.ts";
import { quoted } from "../format/quoted.ts";
import type { Clock } from "../sys/clock.ts";
import type { Files } from "../sys/files.ts";
import { type Processes, runOk } from "../sys/process.ts";
import {
  canonicalName,
  type CertificateProblem,
  certificateProblems,
} from "./certificate_problem.ts";

/** Where the repository keeps certificate and key; git ignores the folder. */
export const certificateFolder = "tls";
const certificateFile = "cert.pem";
const keyFile = "key.pem";

/** Ten years: nobody renews by hand what is trusted by hand. */
const validDays = 3650;

export interface Certificate {
  /** PEM. */
  readonly certificate: string;
  /** PEM. */
  readonly key: string;
  readonly keyMode: number;
}

/** The paths of the two files in a repository. */
export function certificatePaths(
  repository: string,
): { readonly certificate: string; readonly key: string } {
  const folder = `${repository}/${certificateFolder}`;
  return { certificate: `${folder}/${certificateFile}`, key: `${folder}/${keyFile}` };
}

/** Reads the certificate of a repository; `undefined` when neither of its two files is there. */
export async function readCertificate(
  files: Pick<Files, "inspectTarget" | "readText">,
  repository: string,
): Promise<Certificate | undefined> {
  const paths = certificatePaths(repository);
  const [certificateInfo, keyInfo] = await Promise.all([
    files.inspectTarget(paths.certificate),
    files.inspectTarget(paths.key),
  ]);
  if (certificateInfo === undefined && keyInfo === undefined) return undefined;
  return {
    certificate: certificateInfo === undefined ? "" : await files.readText(paths.certificate),
    key: keyInfo === undefined ? "" : await files.readText(paths.key),
    keyMode: keyInfo?.mode ?? 0o600,
  };
}

/**
 * Loads the certificate of a repository for use.
 *
 * @throws {VmbError} `certs.missing` (exit 4) when there is none; `certs.invalid` (exit 4) for one with an error
 */
export async function loadCertificate(
  files: Pick<Files, "inspectTarget" | "readText">,
  repository: string,
  { names, now }: { readonly names: readonly string[]; readonly now: Date },
): Promise<
  { readonly certificate: Certificate; readonly warnings: readonly CertificateProblem[] }
> {
  const certificate = await readCertificate(files, repository);
  if (certificate === undefined) {
    throw new VmbError(`No certificate in "${repository}/${certificateFolder}"`, {
      code: "certs.missing",
      exit: exitCodes.config,
      hint: "Run: vmb ctl certs",
    });
  }
  const problems = certificateProblems({ ...certificate, names, now });
  const [fatal] = problems.filter(({ severity }) => severity === "error");
  if (fatal === undefined) return { certificate, warnings: problems };
  throw new VmbError(fatal.message, {
    code: "certs.invalid",
    exit: exitCodes.config,
    hint: fatal.hint,
  });
}

/** Keeps what is there aside, so that one that a CA signed is not lost; returns the folder, if there was any. */
async function setAside(
  files: Files,
  repository: string,
  now: Date,
): Promise<string | undefined> {
  const present = await readCertificate(files, repository);
  if (present === undefined) return undefined;
  const time = now.toISOString().slice(0, 19).replaceAll(":", "");
  const folder = `${repository}/${certificateFolder}/replaced/${time}`;
  await files.makeFolder(folder, { mode: 0o700 });
  for (const [name, text] of [[certificateFile, present.certificate], [keyFile, present.key]]) {
    if (text !== "") await files.write(`${folder}/${name}`, text ?? "", { mode: 0o600 });
  }
  return folder;
}

/**
 * Makes a self-signed certificate on the curve P-256 that is valid for ten years, and puts it and its key into the
 * repository. The key never leaves files with mode 0600. A pair that is there is kept aside.
 *
 * @param names host names and addresses; the first is also the subject's name
 * @returns the folder of the pair that was there; `undefined` where there was none
 * @throws {VmbError} `certs.name` (exit 4), `process.missing` (exit 5) without openssl
 */
export async function makeCertificate(
  system: {
    readonly files: Files;
    readonly processes: Pick<Processes, "run">;
    readonly clock: Pick<Clock, "now">;
  },
  repository: string,
  names: readonly string[],
): Promise<string | undefined> {
  const { files, processes, clock } = system;
  const alternatives = alternativeNames(names);
  const paths = certificatePaths(repository);
  const folder = `${repository}/${certificateFolder}`;
  await files.makeFolder(folder, { mode: 0o700 });
  const work = `${folder}/.new-${crypto.randomUUID().slice(0, 8)}`;
  await files.makeFolder(work, { mode: 0o700 });
  try {
    await runOk(processes, [
      "openssl",
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
      ...["-nodes", "-sha256", "-days", String(validDays), "-batch"],
      ...["-keyout", `${work}/${keyFile}`, "-out", `${work}/${certificateFile}`],
      ...["-subj", `/CN=${commonName(names)}`],
      ...["-addext", `subjectAltName=${alternatives.join(",")}`],
      ...["-addext", "basicConstraints=critical,CA:FALSE"],
      ...["-addext", "keyUsage=critical,digitalSignature"],
      ...["-addext", "extendedKeyUsage=serverAuth"],
    ]);
    const aside = await setAside(files, repository, clock.now());
    // Each file is replaced as a whole. Should we be killed in between, the two do not match, which is checked.
    await files.write(paths.key, await files.read(`${work}/${keyFile}`), { mode: 0o600 });
    const certificate = await files.read(`${work}/${certificateFile}`);
    await files.write(paths.certificate, certificate, { mode: 0o644 });
    return aside;
  } finally {
    await files.remove(work);
  }
}

/** Browsers look at these alone. The machine itself is among them, for checks from there. */
function alternativeNames(names: readonly string[]): readonly string[] {
  const all = [...names.map((name) => canonicalName(checkedName(name))), "localhost", "127.0.0.1"];
  return [...new Set(all)].map((name) =>
    name.includes(":") || /^[\d.]+$/.test(name) ? `IP:${name}` : `DNS:${name}`
  );
}

/** The name of a subject has at most 64 characters, that of a host up to 253. */
function commonName(names: readonly string[]): string {
  const [first = "vmb"] = names;
  return first.length <= 64 ? first : "vmb";
}

/** A comma or a slash would begin another part of openssl's argument. */
function checkedName(name: string): string {
  if (/^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(name)) return name;
  if (/^[0-9A-Fa-f:.]+$/.test(name) && URL.canParse(`http://[${name}]/`)) return name;
  throw new VmbError(`Cannot make a certificate for ${quoted(name)}: expected a host or address`, {
    code: "certs.name",
    exit: exitCodes.config,
  });
}
