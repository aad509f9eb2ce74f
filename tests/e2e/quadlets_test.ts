import assert from "node:assert/strict";
import fc from "fast-check";
import { nameFault } from "../../core/config/safe_name.ts";
import { makeCertificate, readCertificate } from "../../core/pki/certificate.ts";
import { renderBacularis } from "../../core/podman/bacularis.ts";
import { renderQuadlets } from "../../core/podman/quadlets.ts";
import { certificateTargets, secretRecipes } from "../../core/podman/secret_recipe.ts";
import { applySecrets, podmanSecrets, secretChanges } from "../../core/podman/secrets.ts";
import { services } from "../../core/podman/service.ts";
import { type RenderedTree } from "../../core/render/tree.ts";
import { initSecrets } from "../../core/secrets/change_secrets.ts";
import { loadSecrets } from "../../core/secrets/secrets_file.ts";
import { systemClock } from "../../core/sys/clock.ts";
import { systemFiles } from "../../core/sys/files.ts";
import { type Processes, systemProcesses } from "../../core/sys/process.ts";
import { temporaryFolder } from "../core/nbd/servers.ts";
import { bacularisVariants, exampleSite, imagesOf } from "../core/podman/example_site.ts";
import { podmanRoot } from "../lab/podman_root.ts";

const quadlet = "/usr/libexec/podman/quadlet";
const example = await exampleSite();

for (const variant of bacularisVariants) {
  for (const rootless of [false, true]) {
    const kind = rootless ? "rootless" : "rootful";
    Deno.test(`quadlet 5.4.2 takes the ${kind} units of the ${variant} images`, async () => {
      await using folder = await temporaryFolder();
      await write(folder.path, renderQuadlets({ ...example, rootless, images: imagesOf(variant) }));
      const { code, stdout, stderr } = await dryRun(folder.path, rootless ? ["-user"] : []);
      assert.equal(code, 0, stderr);
      assert.doesNotMatch(stderr, /error|warn|unsupported/i);
      for (const name of services) assert.ok(stdout.includes(`---${name}.service---`), name);
    });
  }
}

Deno.test("quadlet 5.4.2 finds what is wrong in a unit: the test above would fail", async () => {
  await using folder = await temporaryFolder();
  const tree = renderQuadlets(example);
  for (
    const [path, from, to] of [
      ["quadlets/vmb-web.container", "Notify=healthy", "Memory=1g"],
      ["quadlets/vmb-web.container", "vmb-web-users.volume", "nowhere.volume"],
    ] as const
  ) {
    const changed = new Map(tree);
    const file = tree.get(path);
    assert.ok(file);
    changed.set(path, { ...file, content: file.content.replace(from, to) });
    await write(folder.path, changed);
    assert.equal((await dryRun(folder.path)).code, 1);
  }
});

Deno.test("systemd-analyze finds nothing wrong with the generated services", async () => {
  await using folder = await temporaryFolder();
  const out = `${folder.path}/out`;
  for (const rootless of [false, true]) {
    await write(
      folder.path,
      renderQuadlets({ ...example, rootless, name: "Lab \"A\" 100% $x 'é'" }),
    );
    await Deno.mkdir(out);
    const root = await podmanRoot();
    const folders = { "/tmp/quadlets": `${folder.path}/quadlets`, "/tmp/out": out };
    const env = { QUADLET_UNIT_DIRS: "/tmp/quadlets" };
    const mode = rootless ? ["-user"] : [];
    const made = await root.run([quadlet, ...mode, "-no-kmsg-log", "/tmp/out"], { folders, env });
    assert.equal(made.code, 0, made.stderr);
    const units = services.map((name) => `/tmp/out/${name}.service`);
    const { code, stdout, stderr } = await root.run(
      ["systemd-analyze", "verify", ...rootless ? ["--user"] : [], "--man=no", ...units],
      { folders: { ...folders, "/run/user/0": out }, env: { XDG_RUNTIME_DIR: "/run/user/0" } },
    );
    assert.equal(code, 0, stdout + stderr);
    assert.equal(stdout + stderr, "");
    await Deno.remove(out, { recursive: true });
  }
});

Deno.test("podman 5.4.2 makes the containers with the options that quadlet gives it", async () => {
  await using folder = await temporaryFolder();
  const { path } = folder;
  const site = { ...example, nfs: { ...example.nfs, mount: "/tmp/share" } };
  const root = await podmanRoot();
  const notes = "states/vm-backup/control/failed";
  for (const made of ["containers", "rootfs", "share/metadata/bacula/catalog", notes]) {
    await Deno.mkdir(`${path}/${made}`, { recursive: true });
  }
  const folders: Record<string, string> = {
    "/var/lib/containers": `${path}/containers`,
    "/tmp/rootfs": `${path}/rootfs`,
    "/tmp/share": `${path}/share`,
    "/tmp/states": `${path}/states`,
    "/usr/share/zoneinfo": "/usr/share/zoneinfo",
  };
  for (const name of ["bacula", "api", "web", "nginx"]) {
    await Deno.mkdir(`${path}/rendered/${name}`, { recursive: true });
    folders[`/etc/vm-backup/${name}`] = `${path}/rendered/${name}`;
  }
  // Some are mounted by themselves.
  await write(`${path}/rendered`, renderBacularis(site));
  for (const { name } of secretRecipes) {
    const argv = ["podman", "secret", "create", name, "-"] as const;
    const { code, stderr } = await root.run(argv, { stdin: "SECRETVALUE", folders });
    assert.equal(code, 0, stderr);
  }
  await write(path, renderQuadlets(site));
  const { stdout } = await dryRun(path);
  const commands = [...stdout.matchAll(/^ExecStart=\/usr\/bin\/podman run (.*)$/gm)];
  assert.equal(commands.length, services.length);
  for (const [, command = ""] of commands) {
    const created = await root.run(["podman", "create", ...createOptions(command)], { folders });
    assert.equal(created.code, 0, created.stderr);
  }
  const inspect = ["podman", "inspect", "--type=container", ...services] as const;
  const shown = await root.run(inspect, { folders });
  const found = JSON.parse(shown.stdout) as {
    readonly Name: string;
    readonly Config: { readonly Env: readonly string[] };
    readonly EffectiveCaps: readonly string[] | null;
    readonly HostConfig: { readonly ReadonlyRootfs: boolean };
  }[];
  assert.equal(found.length, services.length);
  const web = ["CAP_CHOWN", "CAP_KILL", "CAP_SETGID", "CAP_SETUID"];
  const capabilities: Readonly<Record<string, readonly string[]>> = {
    "vmb-api": web,
    "vmb-web": web,
    "vmb-director": ["CAP_DAC_OVERRIDE"],
    "vmb-storage": ["CAP_DAC_OVERRIDE"],
    "vmb-postgres": ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_SETGID", "CAP_SETUID"],
  };
  for (const { Name, EffectiveCaps, HostConfig } of found) {
    assert.deepEqual([...EffectiveCaps ?? []].sort(), capabilities[Name], Name);
    assert.equal(HostConfig.ReadonlyRootfs, true, Name);
  }
  assert.doesNotMatch(shown.stdout, /SECRETVALUE/);
  for (const { Config: { Env } } of found) {
    assert.ok(!Env.some((variable) => /PASSWORD=|SECRET|WEBHOOK/.test(variable)), Env.join());
  }
});

Deno.test("quadlet 5.4.2 and systemd keep every value as it is, whatever the site is called", async () => {
  await using folder = await temporaryFolder();
  const part = fc.constantFrom(
    '"',
    "'",
    "$",
    "%",
    "%n",
    "%%",
    "é",
    "#",
    ";",
    "=",
    "[",
    "]",
    "{",
    "a",
  );
  const names = fc.sample(
    fc.array(part, { minLength: 1, maxLength: 12 }).map((parts) => parts.join(""))
      .filter((name) => nameFault(name) === undefined),
    { numRuns: 12, seed: 7 },
  );
  for (const name of names) {
    await write(folder.path, renderQuadlets({ ...example, name }));
    const { code, stdout, stderr } = await dryRun(folder.path);
    assert.equal(code, 0, `${name}: ${stderr}`);
    const described = /^Description=Bacula Director of (.*)$/m.exec(stdout)?.[1];
    assert.equal(described?.replaceAll("%%", "%"), name);
  }
});

Deno.test("nginx takes the server blocks of all images, with the certificate", async () => {
  await using folder = await temporaryFolder();
  const { path } = folder;
  await makeCertificate(
    { files: systemFiles, processes: systemProcesses, clock: systemClock },
    path,
    ["a.example"],
  );
  const root = await podmanRoot();
  const { certificate, key } = certificateTargets;
  await Deno.copyFile(`${root.path}/etc/nginx/fastcgi_params`, `${path}/fastcgi_params`);
  for (const variant of bacularisVariants) {
    await write(path, renderBacularis({ ...example, images: imagesOf(variant) }));
    await Deno.mkdir(`${path}/etc/bacularis`, { recursive: true });
    await Deno.copyFile(`${path}/tls/cert.pem`, `${path}${certificate}`);
    await Deno.copyFile(`${path}/tls/key.pem`, `${path}${key}`);
    for (const who of ["api", "web"]) {
      await Deno.writeTextFile(`${path}/nginx.conf`, nginxConf("/tmp/site/nginx/" + who));
      const { code, stderr } = await root.run(
        ["nginx", "-t", "-q", "-c", "/tmp/site/nginx.conf"],
        { folders: { "/tmp/site": path, "/etc/bacularis": `${path}/etc/bacularis` } },
      );
      assert.equal(code, 0, stderr);
      assert.equal(stderr, "");
    }
  }
});

Deno.test("podman 5.4.2 stores the secrets, and a second time changes none", async () => {
  await using folder = await temporaryFolder();
  const { path } = folder;
  await initSecrets(systemFiles, `${path}/secrets.conf`);
  const secrets = await loadSecrets(systemFiles, `${path}/secrets.conf`);
  await makeCertificate(
    { files: systemFiles, processes: systemProcesses, clock: systemClock },
    path,
    ["a.example"],
  );
  const certificate = await readCertificate(systemFiles, path);
  assert.ok(certificate);
  await Deno.mkdir(`${path}/containers`);
  const root = await podmanRoot();
  const processes: Pick<Processes, "run"> = {
    run: (argv, options) =>
      argv[0] === "podman"
        ? root.run(argv, {
          ...(options?.stdin !== undefined && { stdin: options.stdin }),
          folders: { "/var/lib/containers": `${path}/containers` },
        })
        : systemProcesses.run(argv, options),
  };
  const wanted = podmanSecrets({ secrets, tree: renderBacularis(example), certificate });
  await applySecrets(processes, await secretChanges(processes, wanted));
  const again = await secretChanges(processes, wanted);
  assert.deepEqual(new Set(again.map(({ state }) => state)), new Set(["same"]));
  const shown = await processes.run([
    ...["podman", "secret", "inspect", "--showsecret", "--format", "{{.SecretData}}"] as const,
    "vmb-catalog-password",
  ]);
  assert.equal(shown.stdout.trimEnd(), `DB Password = "${secrets.get("DB_PASSWORD")}"`);
});

/** No image and no network can be had here; the rest of the command line is as systemd would run it. */
function createOptions(command: string): readonly string[] {
  const words = [...command.matchAll(/"((?:\\.|[^"\\])*)"|\S+/g)].map(([word, quoted]) =>
    quoted === undefined ? word : quoted.replace(/\\(.)/g, "$1")
  ).map((word) =>
    word.replaceAll("$$", "$").replaceAll("%%", "%").replace(/^%S\//, "/tmp/states/")
  );
  const options: string[] = [];
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? "";
    if (["--network", "--publish"].includes(word)) index++;
    else if (word.startsWith("docker.io/")) {
      options.push("--network=none", "--rootfs", "/tmp/rootfs");
    } else if (!/^(-d|--cgroups=.*|--sdnotify=.*|--cidfile=.*)$/.test(word)) options.push(word);
  }
  return options;
}

async function dryRun(folder: string, options: readonly string[] = []) {
  const root = await podmanRoot();
  return await root.run([quadlet, "-dryrun", ...options], {
    folders: { "/tmp/quadlets": `${folder}/quadlets` },
    env: { QUADLET_UNIT_DIRS: "/tmp/quadlets" },
  });
}

async function write(folder: string, tree: RenderedTree): Promise<void> {
  for (const [path, { content }] of tree) {
    await Deno.mkdir(`${folder}/${path.slice(0, path.lastIndexOf("/"))}`, { recursive: true });
    await Deno.writeTextFile(`${folder}/${path}`, content);
  }
}

/** Debian's own is around the server blocks of packages; its fastcgi_params are used as they are. */
function nginxConf(blocks: string): string {
  return `user root;
pid /run/nginx.pid;
error_log stderr;
events {}
http {
  include /etc/nginx/mime.types;
  access_log off;
  include ${blocks}/*.conf;
}
`;
}
