import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { program } from "./program.ts";

/** The self-extracting form can be built everywhere; what holds for both forms is tested with VMB_BIN. */
const repository = fileURLToPath(new URL("../..", import.meta.url));
const isRoot = Deno.uid() === 0;

let folder = "";
let built = "";

Deno.test.beforeAll(async () => {
  folder = await Deno.makeTempDir({ prefix: "vmb-build-test-" });
  await Deno.chmod(folder, 0o755);
  built = `${folder}/vmb`;
  await copySources(repository, `${folder}/sources`);
  await build(`${folder}/sources`, built);
});

Deno.test.afterAll(async () => {
  await Deno.remove(folder, { recursive: true });
});

Deno.test("build makes the same bytes from a copy of the sources in another folder", async () => {
  const fresh = await freshFolder();
  await copySources(`${folder}/sources`, `${fresh}/copy/of/them`);
  await build(`${fresh}/copy/of/them`, `${fresh}/vmb`);
  assert.equal(await sha256(`${fresh}/vmb`), await sha256(built));
});

Deno.test("vmb as built unpacks at its first start, and only then", async () => {
  const unpackFolder = await freshFolder();
  const first = await start(["--version"], { unpackFolder });
  assert.match(first.stdout, /^vmb \d+\.\d+\.\d+ \(self-extracting\)\n$/);
  const runtime = await Deno.stat(`${unpackFolder}/${await onlyName(unpackFolder)}/deno`);
  await start(["--version"], { unpackFolder });
  const later = await Deno.stat(`${unpackFolder}/${await onlyName(unpackFolder)}/deno`);
  assert.equal(later.ino, runtime.ino);
});

Deno.test("vmb as built hands over arguments, exit status and the place it was started from", async () => {
  const unpackFolder = await freshFolder();
  const missing = await start(["hv", "show", "a  'b' $HOME *", ""], {
    unpackFolder,
    env: { VMB_CONFIG_DIR: `${unpackFolder}/none` },
  });
  assert.equal(missing.code, 4, missing.stderr);
  const wrong = await start(["hv", "backup", "../x"], { unpackFolder });
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /\.\.\/x/);
});

Deno.test("vmb as built starts with nothing in its environment, and any PATH", async () => {
  const unpackFolder = await freshFolder();
  const { code, stderr } = await start(["--version"], {
    unpackFolder,
    env: { PATH: "/nonexistent" },
  });
  assert.equal(code, 0, stderr);
  await program("env", "-i", `VMB_UNPACK_DIR=${unpackFolder}`, built, "--version");
});

Deno.test("vmb as built reads a configuration and starts threads", async () => {
  const unpackFolder = await freshFolder();
  const share = await freshFolder();
  const config = await freshFolder();
  const backup = `${share}/hv1/vm/2026-01-02-030405`;
  await Deno.mkdir(backup, { recursive: true });
  await Deno.writeTextFile(`${backup}/disk.qcow2`, "changed");
  await Deno.writeTextFile(`${backup}/checksums.sha256`, `${"0".repeat(64)}  disk.qcow2\n`);
  const mount = await program("findmnt", "--noheadings", "--output", "FSTYPE", "--target", share);
  await Deno.writeTextFile(
    `${config}/vm-backup.conf`,
    `BACKUP_ROOT=${share}\nBACKUP_FSTYPES=${mount.trim()}\nBACKUP_LOCAL=yes\n`,
  );
  await Deno.writeTextFile(`${config}/vm-list.yaml`, "vms:\n  - { name: vm, hypervisor: hv1 }\n");
  const { code, stdout, stderr } = await start(["hv", "verify", "vm", "2026-01-02-030405"], {
    unpackFolder,
    env: { VMB_CONFIG_DIR: config },
  });
  const digest = createHash("sha256").update("changed").digest("hex");
  assert.ok(stdout.includes(`its SHA-256 is ${digest}`), stdout + stderr);
  assert.equal(code, 6, stderr);
});

Deno.test("vmb as built starts from eight places at once for the first time", async () => {
  const unpackFolder = await freshFolder();
  const ended = await Promise.all(
    Array.from({ length: 8 }, () => start(["--version"], { unpackFolder })),
  );
  assert.deepEqual(ended.map(({ code, stderr }) => [code, stderr]), Array(8).fill([0, ""]));
  await onlyName(unpackFolder);
});

Deno.test("vmb as built mends what was unpacked half, or lost files later", async () => {
  const unpackFolder = await freshFolder();
  await start(["--version"], { unpackFolder });
  const unpacked = `${unpackFolder}/${await onlyName(unpackFolder)}`;
  for (const lost of ["whole", "deno", "main.js"]) {
    await Deno.remove(`${unpacked}/${lost}`);
    assert.equal((await start(["--version"], { unpackFolder })).code, 0, lost);
  }
  // A start that is killed while it unpacks.
  await Deno.remove(unpacked, { recursive: true });
  const killed = launch(["--version"], { unpackFolder });
  while ((await names(unpackFolder)).length === 0) await nextTurn();
  killed.child.kill("SIGKILL");
  await killed.ended;
  assert.equal((await start(["--version"], { unpackFolder })).code, 0);
});

Deno.test("vmb as built removes old versions that nobody runs, and leftovers of killed starts", async () => {
  const unpackFolder = await freshFolder();
  for (const name of ["unused", "running", "recent", "unpack.killed", "unpack.alive"]) {
    await Deno.mkdir(`${unpackFolder}/${name}`);
  }
  await Deno.copyFile("/bin/sleep", `${unpackFolder}/running/deno`);
  const running = new Deno.Command(`${unpackFolder}/running/deno`, { args: ["60"] }).spawn();
  try {
    const monthAgo = Date.now() / 1000 - 40 * 86400;
    for (const name of ["unused", "running"]) {
      await Deno.utime(`${unpackFolder}/${name}`, monthAgo, monthAgo);
    }
    const hoursAgo = Date.now() / 1000 - 2 * 3600;
    await Deno.utime(`${unpackFolder}/unpack.killed`, hoursAgo, hoursAgo);
    assert.equal((await start(["--version"], { unpackFolder })).code, 0);
    assert.deepEqual(
      (await names(unpackFolder)).filter((name) => !/^[0-9a-f]{64}$/.test(name)),
      ["recent", "running", "unpack.alive"],
    );
  } finally {
    running.kill("SIGKILL");
    await running.status;
  }
});

Deno.test("vmb as built refuses a folder that others can write to", async () => {
  for (const mode of [0o777, 0o775]) {
    const unpackFolder = await freshFolder();
    await Deno.chmod(unpackFolder, mode);
    const { code, stderr } = await start(["--version"], { unpackFolder });
    assert.equal(code, 5);
    assert.match(stderr, /^vmb: Folder .* others can write to it\n {2}hint: chown 0 .*chmod 755/);
    assert.deepEqual(await names(unpackFolder), []);
  }
});

Deno.test({
  name: "vmb as built refuses a folder that belongs to another user, or is a link",
  ignore: !isRoot,
  async fn() {
    const unpackFolder = await freshFolder();
    await Deno.chown(unpackFolder, 65534, 65534);
    assert.equal((await start(["--version"], { unpackFolder })).code, 5);
    const link = `${await freshFolder()}/link`;
    await Deno.symlink(await freshFolder(), link);
    assert.equal((await start(["--version"], { unpackFolder: link })).code, 5);
  },
});

Deno.test({
  name: "vmb as built keeps its files in the cache folder of an ordinary user",
  ignore: !isRoot,
  async fn() {
    const home = await freshFolder();
    await Deno.chown(home, 65534, 65534);
    const { stdout, stderr } = await new Deno.Command("setpriv", {
      args: ["--reuid=65534", "--regid=65534", "--clear-groups", built, "--version"],
      clearEnv: true,
      env: { HOME: home, PATH: "/usr/bin:/bin" },
    }).output();
    assert.match(
      new TextDecoder().decode(stdout),
      /self-extracting/,
      new TextDecoder().decode(stderr),
    );
    await onlyName(`${home}/.cache/vmb`);
  },
});

Deno.test("vmb as built refuses to run when a byte of it is lost or changed", async () => {
  const whole = await Deno.readFile(built);
  const changed = whole.slice();
  changed[whole.length / 2 | 0]! ^= 1;
  for (const bytes of [whole.slice(0, -1), changed]) {
    const unpackFolder = await freshFolder();
    const damaged = `${await freshFolder()}/vmb`;
    await Deno.writeFile(damaged, bytes, { mode: 0o755 });
    const { code, stderr } = await start(["--version"], { unpackFolder, executable: damaged });
    assert.equal(code, 5);
    assert.match(stderr, /is damaged/);
    assert.deepEqual(await names(unpackFolder), []);
  }
});

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface Launch {
  readonly unpackFolder: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly executable?: string;
}

function start(args: readonly string[], options: Launch): Promise<Ended> {
  return launch(args, options).ended;
}

function launch(args: readonly string[], { unpackFolder, env = {}, executable = built }: Launch) {
  const child = new Deno.Command(executable, {
    args: [...args],
    env: { ...env, VMB_UNPACK_DIR: unpackFolder },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const ended = child.output().then(({ code, stdout, stderr }) => ({
    code,
    stdout: new TextDecoder().decode(stdout),
    stderr: new TextDecoder().decode(stderr),
  }));
  return { child, ended };
}

/** What lies beside the sources, and is no part of a build. */
const notSources = [".ci", ".git", "dist", "docs", "node_modules", "tests"];

async function copySources(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name } of Deno.readDir(from)) {
    if (notSources.includes(name)) continue;
    await program("cp", "--recursive", `${from}/${name}`, to);
  }
}

async function build(sources: string, output: string): Promise<void> {
  await program(
    ...[Deno.execPath(), "run", "--allow-all", `${sources}/scripts/build.ts`] as const,
    ...["--form", "self-extracting", "--output", output],
  );
}

async function freshFolder(): Promise<string> {
  const fresh = await Deno.makeTempDir({ dir: folder });
  await Deno.chmod(fresh, 0o755);
  return fresh;
}

async function names(path: string): Promise<readonly string[]> {
  return (await Array.fromAsync(Deno.readDir(path), ({ name }) => name)).sort();
}

/** Asserts that a folder holds one thing, and returns its name. */
async function onlyName(path: string): Promise<string> {
  const [name, ...others] = await names(path);
  assert.ok(name !== undefined);
  assert.deepEqual(others, []);
  return name;
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

async function sha256(path: string): Promise<string> {
  return createHash("sha256").update(await Deno.readFile(path)).digest("hex");
}
