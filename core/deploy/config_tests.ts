import { exitCodes, VmbError } from "../error.ts";
import { bacularisImage } from "../podman/image.ts";
import { certificateTargets, secretRecipes } from "../podman/secret_recipe.ts";
import type { ServiceName } from "../podman/service.ts";
import type { Argv } from "../sys/process.ts";
import { type DeploySources, type Desired } from "./desired.ts";
import type { ControlPlaces, Machine } from "./places.ts";

/** A program that reads a configuration as its daemon would, and says what is wrong with it. */
interface ConfigTest {
  readonly what: string;
  readonly argv: Argv;
}

/**
 * Has the programs of the images, and podman's generator, read what is about to be installed: what was rendered
 * lies in a folder of its own meanwhile, so nothing that runs sees it.
 *
 * @param changed services that would start, restart or reload
 * @throws {VmbError} `deploy.config-test` (exit 4) with what the program said
 */
export async function testConfigs(
  machine: Machine,
  desired: Desired,
  sources: Pick<DeploySources, "certificate">,
  changed: readonly ServiceName[],
  { places, units }: { readonly places: ControlPlaces; readonly units: boolean },
): Promise<void> {
  const { files, processes } = machine;
  const folder = `${places.state}/test`;
  await files.remove(folder);
  await files.makeFolder(folder, { mode: 0o700 });
  try {
    for (const [path, { content, mode }] of desired.tree) {
      if (path.startsWith("fd/")) continue;
      await files.makeFolder(folderOf(`${folder}/${path}`), { mode: 0o755 });
      await files.write(`${folder}/${path}`, content, { mode });
    }
    await files.makeFolder(`${folder}/secrets`, { mode: 0o755 });
    for (const { name, source } of secretRecipes) {
      // A stand-in: what is tested is the syntax around it.
      if (source.kind !== "text") continue;
      const text = source.text.replace(/@@[A-Z_]+(:sha512)?@@/g, "stand-in");
      await files.write(`${folder}/secrets/${name}`, text, { mode: 0o600 });
    }
    await files.write(`${folder}/cert.pem`, sources.certificate.certificate, { mode: 0o600 });
    await files.write(`${folder}/key.pem`, sources.certificate.key, { mode: 0o600 });
    const tests = [
      ...units ? [quadletTest(desired)] : [],
      ...changed.flatMap((service) => imageTests(desired, service, folder)),
    ];
    for (const { what, argv } of tests) {
      const done = await processes.run(argv, {
        timeoutMs: 180_000,
        env: { QUADLET_UNIT_DIRS: `${folder}/quadlets` },
      });
      if (done.code === 0) continue;
      const said = (done.stderr.trim() || done.stdout.trim()).split("\n").slice(-4).join(" | ");
      throw new VmbError(`Nothing was changed: ${what} is refused: ${said}`, {
        code: "deploy.config-test",
        exit: exitCodes.config,
        hint: "Look at site.yaml and at overrides/; vmb ctl render shows the files",
      });
    }
  } finally {
    await files.remove(folder);
  }
}

/** It is the generator itself, which would leave out a wrong unit without a word. */
function quadletTest({ site }: Desired): ConfigTest {
  const mode = site.rootless ? ["-user"] : [];
  return {
    what: "a quadlet",
    argv: ["/usr/libexec/podman/quadlet", "-dryrun", "-no-kmsg-log", ...mode],
  };
}

function imageTests(desired: Desired, service: ServiceName, folder: string): readonly ConfigTest[] {
  const image = desired.services.find(({ name }) => name === service)?.image ?? "";
  const bacula = (program: string, file: string): ConfigTest => ({
    what: file,
    argv: inImage(image, [
      [`${folder}/bacula`, "/etc/vmb-bacula"],
      [`${folder}/secrets`, "/run/secrets"],
    ], [`/usr/sbin/${program}`, "-t", "-c", `/etc/vmb-bacula/${file}`]),
  });
  switch (service) {
    case "vmb-postgres":
      return [];
    case "vmb-director":
      return [
        // bacula-dir -t would want the catalog.
        bacula("bdirjson", "bacula-dir.conf"),
        bacula("bbconsjson", "bconsole.conf"),
        bacula("bbconsjson", "monitor.conf"),
      ];
    case "vmb-storage":
      return [bacula("bsdjson", "bacula-sd.conf")];
    case "vmb-api":
    case "vmb-web": {
      const name = service === "vmb-api" ? "api" : "web";
      return [{
        what: `nginx/${name}`,
        argv: inImage(image, [
          [`${folder}/nginx/${name}`, bacularisImage(image).serverBlocks],
          [`${folder}/cert.pem`, certificateTargets.certificate],
          [`${folder}/key.pem`, certificateTargets.key],
        ], ["nginx", "-t", "-q"]),
      }];
    }
  }
}

function inImage(
  image: string,
  mounts: readonly (readonly [from: string, to: string])[],
  [program, ...args]: readonly [string, ...string[]],
): Argv {
  return [
    ...["podman", "run", "--rm", "--network=none", "--pull=never"] as const,
    ...mounts.map(([from, to]) => `--volume=${from}:${to}:ro,z`),
    ...[`--entrypoint=${program}`, image, ...args],
  ];
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}
