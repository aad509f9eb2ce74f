import assert from "node:assert/strict";
import { type Bconsole, monitorInContainer, openBconsole } from "../../../core/bacula/bconsole.ts";
import { deploy, type DeployOutcome } from "../../../core/deploy/deploy.ts";
import { type DeploySources, desiredState } from "../../../core/deploy/desired.ts";
import { loadSources } from "../../../core/deploy/load_sources.ts";
import { controlPlaces } from "../../../core/deploy/places.ts";
import { secretFingerprint } from "../../../core/podman/secrets.ts";
import { services } from "../../../core/podman/service.ts";
import { passwordKeys } from "../../../core/secrets/secret_key.ts";
import { exampleTexts } from "../bacula/inventories.ts";
import { makeCertificate } from "../../../core/pki/certificate.ts";
import { systemClock } from "../../../core/sys/clock.ts";
import { systemFiles } from "../../../core/sys/files.ts";
import { systemProcesses } from "../../../core/sys/process.ts";
import type { FakeMachine } from "./fake_machine.ts";

export const repository = "/root/site";

let certificateFolder: Promise<string> | undefined;

/** One certificate for all tests: it takes a while to make. */
async function certificate(): Promise<string> {
  certificateFolder ??= (async () => {
    const folder = await Deno.makeTempDir({ prefix: "vmb-certificate-" });
    globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
    const names = ["vmb.lab.example", "192.0.2.10"];
    await makeCertificate(
      { files: systemFiles, processes: systemProcesses, clock: systemClock },
      folder,
      names,
    );
    return folder;
  })();
  return await certificateFolder;
}

/** Puts the repository of the example site onto a machine. */
export async function writeRepository(fake: FakeMachine): Promise<void> {
  const folder = fake.at(repository);
  await Deno.mkdir(`${folder}/tls`, { recursive: true });
  await Deno.writeTextFile(`${folder}/site.yaml`, exampleTexts.site);
  await Deno.writeTextFile(`${folder}/vm-list.yaml`, exampleTexts.list);
  const lines = passwordKeys.map((key) => `${key}=${passwordOf(key)}\n`);
  await Deno.writeTextFile(`${folder}/secrets.conf`, lines.join(""), { mode: 0o600 });
  for (const name of ["cert.pem", "key.pem"]) {
    await Deno.copyFile(`${await certificate()}/tls/${name}`, `${folder}/tls/${name}`);
  }
}

export function passwordOf(key: string, generation = 1): string {
  return `${key.replaceAll("_", "")}x0123456789x${generation}`;
}

/** Changes a file of the repository. */
export async function edit(
  fake: FakeMachine,
  name: string,
  from: string,
  to: string,
): Promise<void> {
  const path = fake.at(`${repository}/${name}`);
  const text = await Deno.readTextFile(path);
  assert.ok(text.includes(from), `${name} has ${from}`);
  await Deno.writeTextFile(path, text.replaceAll(from, to));
}

/** The way to the machine's Director. */
export function consoleOf({ machine: { processes } }: FakeMachine): Bconsole {
  return openBconsole({ processes, argv: monitorInContainer });
}

export async function sourcesOf(
  fake: FakeMachine,
  options: { readonly anyCertificate?: boolean } = {},
): Promise<DeploySources> {
  return (await loadSources(fake.machine, repository, () => {}, options)).sources;
}

export async function deployTo(
  fake: FakeMachine,
  options: { readonly redeploy?: boolean; readonly dryRun?: boolean } = {},
): Promise<DeployOutcome> {
  return await deploy(fake.machine, await sourcesOf(fake), {
    bconsole: consoleOf(fake),
    redeploy: false,
    dryRun: false,
    ...options,
    confirm: () => true,
    report: () => {},
  });
}

/** All that runs has read what the repository says now. */
export async function assertDeployed(fake: FakeMachine): Promise<void> {
  const sources = await sourcesOf(fake);
  const places = controlPlaces(sources.site, fake.machine.host);
  const { files, secrets } = desiredState(sources, places);
  for (const [path, { content, mode }] of files) {
    assert.equal(await Deno.readTextFile(fake.at(path)), content, path);
    assert.equal(((await Deno.stat(fake.at(path))).mode ?? 0) & 0o777, mode, path);
  }
  assert.equal(await Deno.readLink(fake.at("/etc/vm-backup/repository")), repository);
  const labels = Object.fromEntries(
    secrets.map((secret) => [secret.recipe.name, secretFingerprint(secret)]),
  );
  for (const name of services) {
    const started = fake.started.get(name);
    assert.ok(started, `${name} runs`);
    assert.equal(started.unit, files.get(`${places.quadlets}/${name}.container`)?.content, name);
    for (const [secret, label] of Object.entries(started.secrets)) {
      // PostgreSQL is told by SQL.
      if (name !== "vmb-postgres") assert.equal(label, labels[secret], `${name}: ${secret}`);
    }
  }
  const read = (path: string) => files.get(`/etc/vm-backup/${path}`)?.content;
  assert.equal(fake.started.get("vmb-director")?.config, read("bacula/bacula-dir.conf"));
  assert.equal(fake.started.get("vmb-storage")?.config, read("bacula/bacula-sd.conf"));
  assert.equal(fake.database.password, sources.secrets.get("DB_PASSWORD"));
  assert.notEqual(fake.database.version, undefined);
  assert.deepEqual([...fake.enabled].sort(), ["vmb-check.timer", "vmb-tell.path"]);
}
