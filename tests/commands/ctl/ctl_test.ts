import assert from "node:assert/strict";
import { runMain } from "../../../commands/main.ts";
import { loadInventory } from "../../../core/config/inventory.ts";
import { repositoryFiles } from "../../../core/deploy/init_repository.ts";
import { certificatePaths } from "../../../core/pki/certificate.ts";
import { loadSecrets } from "../../../core/secrets/secrets_file.ts";
import { passwordKeys } from "../../../core/secrets/secret_key.ts";
import { systemProcesses } from "../../../core/sys/process.ts";
import { realSystem, type System } from "../../../core/sys/system.ts";
import { temporaryFolder } from "../../core/nbd/servers.ts";
import { fakeTerminal } from "../fake_terminal.ts";
import { missingProgram } from "./missing_program.ts";

Deno.test("vmb ctl init makes a repository that is valid, and git ignores its secrets", async () => {
  await using folder = await temporaryFolder();
  const site = `${folder.path}/new/site`;
  const first = await vmb("ctl", "init", site, "--json");
  assert.equal(first.code, 0, first.err);
  const made = JSON.parse(first.out);
  assert.equal(made.git, "made");
  assert.deepEqual(
    made.files,
    Object.keys(repositoryFiles).map((path) => ({ path, made: true })),
  );
  await assert.rejects(loadInventory(realSystem.files, site), /No VM is listed/);
  await listNone(site);
  assert.equal((await loadInventory(realSystem.files, site)).site.name, "Example lab");

  assert.equal((await vmb("ctl", "secrets", "init", site)).code, 0);
  assert.equal((await vmb("ctl", "certs", site)).code, 0);
  for (const left of ["secrets.conf~", ".secrets.conf.1234.tmp", "tls/.new-1/key.pem"]) {
    await Deno.mkdir(`${site}/${left}`.replace(/\/[^/]*$/, ""), { recursive: true });
    await Deno.writeTextFile(`${site}/${left}`, "x");
  }
  const { stdout } = await systemProcesses.run([
    ...["git", "-C", site, "ls-files", "--others", "--exclude-standard"] as const,
  ]);
  assert.deepEqual(
    stdout.trim().split("\n").sort(),
    [...Object.keys(repositoryFiles), "tls/cert.pem"].sort(),
  );
});

/** Says that no VM is listed on purpose: the example of `vmb ctl init` is all comments. */
async function listNone(folder: string): Promise<void> {
  await Deno.writeTextFile(`${folder}/vm-list.yaml`, "vms: []\n");
}

Deno.test("vmb ctl init overwrites nothing, and adds what is missing", async () => {
  await using folder = await temporaryFolder();
  const { path } = folder;
  for (const name of [".gitignore", "site.yaml", "README.md"]) {
    await Deno.writeTextFile(`${path}/${name}`, "mine");
  }
  await Deno.symlink("/nowhere", `${path}/vm-list.yaml`);
  const { code, out } = await vmb("ctl", "init", path);
  assert.equal(code, 0);
  for (const name of [".gitignore", "site.yaml", "README.md"]) {
    assert.equal(await Deno.readTextFile(`${path}/${name}`), "mine");
    assert.ok(out.includes(`kept  ${name}`));
  }
  assert.equal(await Deno.readLink(`${path}/vm-list.yaml`), "/nowhere");
  assert.ok(out.includes("made  overrides/README.md"));
  const again = JSON.parse((await vmb("ctl", "init", path, "--json")).out);
  assert.deepEqual(again.files.filter(({ made }: { made: boolean }) => made), []);
  assert.equal(again.git, "present");
});

Deno.test("vmb ctl init works without git", async () => {
  await using folder = await temporaryFolder();
  const { code, out } = await vmbOn(missingProgram("git"), ["ctl", "init", folder.path]);
  assert.equal(code, 0);
  assert.ok(out.includes("git is not installed"));
});

Deno.test("vmb ctl secrets never prints a value", async () => {
  await using folder = await temporaryFolder();
  const { path } = folder;
  const values = async () => {
    const text = await Deno.readTextFile(`${path}/secrets.conf`);
    return [...text.matchAll(/^[A-Z_]+=(\S+)$/gm)].map(([, value = ""]) => value);
  };
  const seen: string[] = [];
  let printed = "";
  for (
    const words of [
      ["init", path],
      ["init", path, "--json"],
      ["check", path],
      ["rotate", "DB_PASSWORD", "FD_PASSWORD", "--dir", path],
      ["rotate", "--all", "--dir", path, "--json"],
      ["check", path, "--json"],
    ]
  ) {
    const { code, out, err } = await vmb("ctl", "secrets", ...words);
    assert.equal(code, 0, err);
    printed += out + err;
    seen.push(...await values());
  }
  assert.equal(new Set(seen).size, passwordKeys.length * 2 + 2);
  for (const value of seen) assert.ok(!printed.includes(value));
});

Deno.test("vmb ctl render writes no secret into any file", async () => {
  await using folder = await temporaryFolder();
  const { path } = folder;
  for (const words of [["init"], ["secrets", "init"], ["certs"], ["render"]]) {
    const { code, err } = await vmb("ctl", ...words, path);
    assert.equal(code, 0, err);
    await listNone(path);
  }
  const secrets = await loadSecrets(realSystem.files, `${path}/secrets.conf`);
  const key = await Deno.readTextFile(certificatePaths(path).key);
  const needles = [...secrets.values(), key.split("\n")[1] ?? ""];
  assert.equal(needles.length, passwordKeys.length + 1);
  const holders = new Set<string>();
  for (const file of await filesBelow(path)) {
    const text = await Deno.readTextFile(`${path}/${file}`);
    if (needles.some((needle) => text.includes(needle))) holders.add(file);
  }
  // Git's own files are searched too.
  assert.deepEqual([...holders].sort(), ["secrets.conf", "tls/key.pem"]);
});

Deno.test("vmb ctl secrets rotate says what must restart", async () => {
  await using folder = await temporaryFolder();
  const { path } = folder;
  await vmb("ctl", "secrets", "init", path);
  const { out } = await vmb(
    "ctl",
    "secrets",
    "rotate",
    "FD_PASSWORD",
    "API_PASSWORD",
    "--dir",
    path,
  );
  assert.match(out, /^FD_PASSWORD +vmb-director +vmb ctl push$/m);
  assert.match(out, /^API_PASSWORD +vmb-api, vmb-web +-$/m);
});

Deno.test("vmb ctl secrets rotate refuses what it does not know, before it changes anything", async () => {
  await using folder = await temporaryFolder();
  const { path } = folder;
  await vmb("ctl", "secrets", "init", path);
  const before = await Deno.readTextFile(`${path}/secrets.conf`);
  for (
    const [words, hint] of [
      [[], "Name keys, or give --all"],
      [["--all", "DB_PASSWORD"], "Name keys, or give --all"],
      [["DB_PASWORD"], "Did you mean DB_PASSWORD?"],
      [["DB_PASSWORD", "nonsense"], "Known keys: DIRECTOR_PASSWORD"],
      [["SLACK_FAILURE_WEBHOOK"], "Put the new webhook into"],
    ] as const
  ) {
    const { code, err } = await vmb("ctl", "secrets", "rotate", ...words, "--dir", path);
    assert.equal(code, 2, err);
    assert.ok(err.includes(hint), err);
  }
  assert.equal(await Deno.readTextFile(`${path}/secrets.conf`), before);
});

Deno.test("vmb ctl secrets check exits 6 with each problem", async () => {
  await using folder = await temporaryFolder();
  const { path } = folder;
  const absent = await vmb("ctl", "secrets", "check", path);
  assert.equal(absent.code, 6);
  assert.ok(absent.out.includes("No such file"));
  await Deno.writeTextFile(`${path}/secrets.conf`, "DB_PASSWORD=short\nX=1\n");
  await Deno.chmod(`${path}/secrets.conf`, 0o644);
  const { code, out } = await vmb("ctl", "secrets", "check", path, "--json");
  assert.equal(code, 6);
  const { problems } = JSON.parse(out);
  assert.equal(problems.length, 2 + 1 + passwordKeys.length - 1);
  assert.match(problems[0].message, /mode 0644/);
});

Deno.test("vmb ctl certs asks on a terminal, and without one names both flags", async () => {
  await using folder = await temporaryFolder();
  const { path } = folder;
  await vmb("ctl", "init", path);
  await listNone(path);
  const { certificate } = certificatePaths(path);
  const made = await vmb("ctl", "certs", path, "--keep");
  assert.equal(made.code, 0, made.err);
  assert.ok(made.out.includes("backup.example.org, 192.0.2.10"));
  const pem = await Deno.readTextFile(certificate);

  const alone = await vmb("ctl", "certs", path);
  assert.equal(alone.code, 2);
  assert.match(alone.err, /--keep .* --regenerate/);
  const both = await vmb("ctl", "certs", path, "--keep", "--regenerate");
  assert.equal(both.code, 2);
  for (const [answer, code] of [["keep", 0], ["", 2], ["yes", 2]] as const) {
    assert.equal((await vmbOn({}, ["ctl", "certs", path], answer)).code, code, answer);
    assert.equal(await Deno.readTextFile(certificate), pem);
  }
  assert.equal((await vmb("ctl", "certs", path, "--keep")).code, 0);
  assert.equal(await Deno.readTextFile(certificate), pem);
  assert.equal((await vmbOn({}, ["ctl", "certs", path], "regenerate")).code, 0);
  const second = await Deno.readTextFile(certificate);
  assert.notEqual(second, pem);
  assert.equal((await vmb("ctl", "certs", path, "--regenerate")).code, 0);
  assert.notEqual(await Deno.readTextFile(certificate), second);
});

Deno.test("vmb ctl certs --keep exits 6 for a certificate of other names", async () => {
  await using folder = await temporaryFolder();
  const { path } = folder;
  await vmb("ctl", "init", path);
  await listNone(path);
  await vmb("ctl", "certs", path);
  const site = await Deno.readTextFile(`${path}/site.yaml`);
  await Deno.writeTextFile(`${path}/site.yaml`, site.replace("backup.example", "other.example"));
  const { code, out, err } = await vmb("ctl", "certs", path, "--keep", "--json");
  assert.equal(code, 6);
  assert.match(err, /not for "other\.example\.org"/);
  assert.deepEqual(JSON.parse(out).problems.map(({ kind }: { kind: string }) => kind), [
    "name-missing",
  ]);
  assert.equal((await vmb("ctl", "certs", path, "--regenerate")).code, 0);
  assert.equal((await vmb("ctl", "certs", path, "--keep")).code, 0);
});

Deno.test("vmb ctl commands say when there is no such repository", async () => {
  for (const words of [["secrets", "init"], ["secrets", "check"], ["certs"]]) {
    const { code, err } = await vmb("ctl", ...words, "/nowhere");
    assert.equal(code, 2);
    assert.match(err, /Run|Make one with: vmb ctl init/);
  }
});

async function filesBelow(folder: string, below = ""): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(`${folder}/${below}`)) {
    const path = `${below}${name}`;
    if (isDirectory) found.push(...await filesBelow(folder, `${path}/`));
    else found.push(path);
  }
  return found;
}

function vmb(...args: readonly string[]) {
  return vmbOn({}, args);
}

async function vmbOn(changes: Partial<System>, args: readonly string[], answer?: string) {
  const terminal = { ...fakeTerminal(), ask: () => answer };
  const system: System = {
    ...realSystem,
    host: { ...realSystem.host, env: () => undefined, onStopSignal: () => () => {} },
    ...changes,
  };
  const code = await runMain(system, terminal, { version: "9.8.7", args });
  return { code, ...terminal.written };
}
