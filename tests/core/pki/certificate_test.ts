import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import {
  certificatePaths,
  loadCertificate,
  makeCertificate,
  readCertificate,
} from "../../../core/pki/certificate.ts";
import {
  canonicalName,
  certificateNames,
  certificateProblems,
} from "../../../core/pki/certificate_problem.ts";
import { type Argv, type Processes, systemProcesses } from "../../../core/sys/process.ts";
import { systemClock } from "../../../core/sys/clock.ts";
import { systemFiles } from "../../../core/sys/files.ts";
import { temporaryFolder } from "../nbd/servers.ts";

const names = ["backup.example.org", "192.0.2.10", "2001:DB8:0::10"];
const system = { files: systemFiles, processes: systemProcesses, clock: systemClock };
const day = 86_400_000;

Deno.test("makeCertificate makes ten years of P-256 for all names, with a key for its owner", async () => {
  await using folder = await temporaryFolder();
  const watched = watching();
  await makeCertificate({ ...system, processes: watched }, folder.path, names);
  const paths = certificatePaths(folder.path);
  const pem = await Deno.readTextFile(paths.certificate);
  const certificate = new X509Certificate(pem);
  const days = (Date.parse(certificate.validTo) - Date.parse(certificate.validFrom)) / day;
  assert.equal(days, 3650);
  assert.deepEqual(certificateNames(certificate), [
    ...["backup.example.org", "192.0.2.10", "2001:db8::10", "localhost", "127.0.0.1"],
  ]);
  const { stdout } = await systemProcesses.run(["openssl", "x509", "-noout", "-text"], {
    stdin: pem,
  });
  for (const expected of ["prime256v1", "ecdsa-with-SHA256", "CA:FALSE", "TLS Web Server"]) {
    assert.ok(stdout.includes(expected), expected);
  }
  assert.equal(((await Deno.stat(paths.key)).mode ?? 0) & 0o7777, 0o600);
  assert.deepEqual(await systemFiles.list(`${folder.path}/tls`), ["cert.pem", "key.pem"]);
  assert.doesNotMatch(watched.calls.flat().join("\n"), /PRIVATE/);

  const made = await readCertificate(systemFiles, folder.path);
  assert.ok(made);
  assert.deepEqual(certificateProblems({ ...made, names, now: new Date() }), []);
});

Deno.test("makeCertificate is trusted by openssl for its names, and for no other", async () => {
  await using folder = await temporaryFolder();
  await makeCertificate(system, folder.path, names);
  const { certificate } = certificatePaths(folder.path);
  for (
    const [name, code] of [["backup.example.org", 0], ["other.example.org", 2]] as const
  ) {
    const argv = ["openssl", "verify", "-CAfile", certificate, "-verify_hostname", name] as const;
    const verified = await systemProcesses.run([...argv, certificate]);
    assert.equal(verified.code, code, verified.stderr);
  }
});

Deno.test("makeCertificate refuses names that would be more than a name", async () => {
  await using folder = await temporaryFolder();
  for (const name of ["a,DNS:b", "a/CN=b", "-a", "", "a b", "*.example.org", "a\nb", "1:2:3"]) {
    await assert.rejects(
      makeCertificate(system, folder.path, [name]),
      { code: "certs.name" },
      name,
    );
  }
  assert.deepEqual(await systemFiles.list(folder.path), []);
});

Deno.test("makeCertificate that fails leaves the certificate that was there", async () => {
  await using folder = await temporaryFolder();
  await makeCertificate(system, folder.path, names);
  const before = await readCertificate(systemFiles, folder.path);
  const failing: Pick<Processes, "run"> = {
    run: (argv) => Promise.resolve({ argv, code: 1, stdout: "", stderr: "no entropy" }),
  };
  await assert.rejects(
    makeCertificate({ ...system, processes: failing }, folder.path, names),
    { code: "process.failed" },
  );
  assert.deepEqual(await readCertificate(systemFiles, folder.path), before);
  assert.deepEqual(await systemFiles.list(`${folder.path}/tls`), ["cert.pem", "key.pem"]);
});

Deno.test("certificateProblems finds each of them", async () => {
  await using folder = await temporaryFolder();
  await makeCertificate(system, folder.path, names);
  const made = await readCertificate(systemFiles, folder.path);
  await makeCertificate(system, folder.path, names);
  const other = await readCertificate(systemFiles, folder.path);
  assert.ok(made && other);
  const end = Date.parse(new X509Certificate(made.certificate).validTo);
  const now = new Date();
  const found = (changes: Partial<Parameters<typeof certificateProblems>[0]>) =>
    certificateProblems({ ...made, names, now, ...changes }).map(({ kind, severity }) =>
      severity === "error" ? kind : `(${kind})`
    );
  assert.deepEqual(found({}), []);
  assert.deepEqual(found({ key: other.key }), ["key-mismatch"]);
  assert.deepEqual(found({ keyMode: 0o640 }), ["key-mode"]);
  assert.deepEqual(found({ certificate: "" }), ["unreadable"]);
  assert.deepEqual(found({ certificate: made.certificate.slice(0, 300) }), ["unreadable"]);
  assert.deepEqual(found({ key: "" }), ["key-unreadable"]);
  assert.deepEqual(found({ names: [...names, "new.example.org"] }), ["name-missing"]);
  assert.deepEqual(found({ names: ["192.0.2.11"] }), ["name-missing"]);
  assert.deepEqual(found({ names: ["BACKUP.example.org", "2001:db8:0:0::10"] }), []);
  assert.deepEqual(found({ now: new Date(end - 30 * day) }), []);
  assert.deepEqual(found({ now: new Date(end - 30 * day + 1000) }), ["(expires-soon)"]);
  assert.deepEqual(found({ now: new Date(end) }), ["expired"]);
  assert.deepEqual(found({ now: new Date(0) }), ["not-yet-valid"]);
});

Deno.test("certificateProblems takes a certificate with a wildcard for one label", async () => {
  await using folder = await temporaryFolder();
  const [key, certificate] = [`${folder.path}/k`, `${folder.path}/c`];
  await systemProcesses.run([
    ...["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x"] as const,
    ...[
      "-days",
      "90",
      "-keyout",
      key,
      "-out",
      certificate,
      "-addext",
      "subjectAltName=DNS:*.example.org",
    ],
  ]);
  const subject = {
    certificate: await Deno.readTextFile(certificate),
    key: await Deno.readTextFile(key),
    keyMode: 0o600,
    now: new Date(),
  };
  const of = (name: string) => certificateProblems({ ...subject, names: [name] }).length;
  assert.equal(of("backup.example.org"), 0);
  assert.equal(of("a.backup.example.org"), 1);
  assert.equal(of("example.org"), 1);
});

Deno.test("loadCertificate gives what can be used, with its warnings, or says what is wrong", async () => {
  await using folder = await temporaryFolder();
  const now = new Date();
  await assert.rejects(loadCertificate(systemFiles, folder.path, { names, now }), {
    code: "certs.missing",
    exit: 4,
  });
  await makeCertificate(system, folder.path, names);
  const late = new Date(now.getTime() + 3640 * day);
  const { warnings } = await loadCertificate(systemFiles, folder.path, { names, now: late });
  assert.deepEqual(warnings.map(({ kind }) => kind), ["expires-soon"]);
  await Deno.remove(certificatePaths(folder.path).key);
  await assert.rejects(loadCertificate(systemFiles, folder.path, { names, now }), {
    code: "certs.invalid",
    exit: 4,
  });
});

Deno.test("canonicalName has one form of each name and address", () => {
  assert.equal(canonicalName("HV1.Example.org"), "hv1.example.org");
  assert.equal(canonicalName("FD00:0:0:0:0:0:0:1"), "fd00::1");
  assert.equal(canonicalName("192.0.2.1"), "192.0.2.1");
});

function watching(): Pick<Processes, "run"> & { readonly calls: Argv[] } {
  const calls: Argv[] = [];
  return {
    calls,
    run(argv, options) {
      calls.push(argv);
      return systemProcesses.run(argv, options);
    },
  };
}

Deno.test("makeCertificate keeps the pair that was there aside, each by its time", async () => {
  await using folder = await temporaryFolder();
  const clock = { ...systemClock, now: () => new Date("2026-11-26T01:02:03Z") };
  assert.equal(await makeCertificate({ ...system, clock }, folder.path, names), undefined);
  const before = await readCertificate(systemFiles, folder.path);
  const aside = await makeCertificate({ ...system, clock }, folder.path, names);
  assert.equal(aside, `${folder.path}/tls/replaced/2026-11-26T010203`);
  assert.equal(await Deno.readTextFile(`${aside}/cert.pem`), before?.certificate);
  assert.equal(await Deno.readTextFile(`${aside}/key.pem`), before?.key);
  assert.equal(((await Deno.stat(`${aside}/key.pem`)).mode ?? 0) & 0o777, 0o600);
});

Deno.test("certificateProblems says of a CA's pair what helps there, and never to make another", async () => {
  await using folder = await temporaryFolder();
  const at = (name: string) => `${folder.path}/${name}`;
  const openssl = async (...args: readonly string[]) => {
    const { code, stderr } = await systemProcesses.run(["openssl", ...args]);
    assert.equal(code, 0, stderr);
  };
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const subject = ["-subj", "/CN=backup.example.org"];
  const alternative = ["-addext", "subjectAltName=DNS:backup.example.org"];
  await openssl(
    ...["req", "-x509", ...curve, "-days", "9", "-subj", "/CN=Our CA"],
    ...["-keyout", at("ca.key"), "-out", at("ca.pem")],
  );
  await openssl(
    ...["req", ...curve, ...subject, ...alternative, "-keyout", at("key"), "-out", at("csr")],
  );
  await openssl(
    ...[
      "x509",
      "-req",
      "-in",
      at("csr"),
      "-CA",
      at("ca.pem"),
      "-CAkey",
      at("ca.key"),
      "-days",
      "9",
    ],
    ...["-copy_extensions", "copy", "-out", at("leaf.pem")],
  );
  await openssl("ec", "-in", at("key"), "-aes128", "-passout", "pass:secret", "-out", at("locked"));
  await openssl("x509", "-in", at("leaf.pem"), "-outform", "DER", "-out", at("der"));
  const [leaf, ca, key, locked] = await Promise.all(
    ["leaf.pem", "ca.pem", "key", "locked"].map((name) => Deno.readTextFile(at(name))),
  );
  const der = new TextDecoder().decode(await Deno.readFile(at("der")));
  const found = (certificate = "", keyText = key ?? "", wanted = "backup.example.org") =>
    certificateProblems({
      certificate,
      key: keyText,
      keyMode: 0o600,
      names: [wanted],
      now: new Date(),
    });
  for (const { hint } of found(leaf)) assert.doesNotMatch(hint, /regenerate/);
  assert.match(
    found(leaf, key, "other.example.org").at(-1)?.hint ?? "",
    /^Get another from its CA/,
  );
  const chain = found(`${ca}${leaf}`);
  assert.ok(chain.some(({ hint }) => /own certificate first/.test(hint)), JSON.stringify(chain));
  assert.match(found(leaf, locked)[0]?.hint ?? "", /^Decrypt it: openssl pkey/);
  assert.match(found(der)[0]?.hint ?? "", /^Convert it: openssl x509 -inform DER/);
});
