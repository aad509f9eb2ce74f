import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

const repository = fileURLToPath(new URL("../../", import.meta.url));
const installer = `${repository}install.sh`;
const scripts = [
  ...["install.sh", ".ci/run", "scripts/launcher.sh"],
  ...["dump-catalog.sh", "job-failed.sh", "week-summary.sh"].map((hook) =>
    `templates/bacula/${hook}`
  ),
];

Deno.test({
  name: "shellcheck finds nothing in the scripts",
  ignore: (await run("sh", ["-c", "command -v shellcheck"])).code !== 0,
  async fn() {
    const { stdout } = await run("shellcheck", scripts.map((name) => repository + name));
    assert.equal(stdout, "");
  },
});

Deno.test("install.sh names its options, and refuses others", async () => {
  const help = await run(installer, ["--help"]);
  assert.equal(help.code, 0);
  for (const option of ["--build", "--demo", "--test", "--uninstall", "DESTDIR"]) {
    assert.ok(help.stdout.includes(option), option);
  }
  for (const args of [["--dmeo"], ["--build", "--demo"]]) {
    const wrong = await run(installer, args);
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /^install.sh: unknown option: --/);
  }
});

Deno.test("install.sh installs, keeps a changed configuration, and uninstalls", async (t) => {
  const destination = await Deno.makeTempDir({ prefix: "vmb-install-test-" });
  const env = { DESTDIR: destination };
  const vmb = `${destination}/opt/vm-backup/bin/vmb`;
  const config = `${destination}/opt/vm-backup/config`;
  const link = `${destination}/usr/local/bin/vmb`;
  try {
    await t.step("install", async () => {
      const { code, stdout, stderr } = await run(installer, [], env);
      assert.equal(code, 0, stdout + stderr);
      assert.match(stdout, /vmb is vmb \d+\.\d+\.\d+ \((self-extracting|compiled)\)/);
      assert.equal(await Deno.readLink(link), "/opt/vm-backup/bin/vmb");
      assert.equal(await modeOf(vmb), "755");
      assert.equal(await modeOf(config), "750");
      assert.equal(await modeOf(`${config}/vm-backup.conf`), "640");
    });
    await t.step("the example configuration is valid", async () => {
      const { code, stderr } = await run(vmb, ["config", "validate"], {
        VMB_CONFIG_DIR: config,
        VMB_UNPACK_DIR: `${destination}/var/cache/vmb`,
      });
      assert.equal(code, 0, stderr);
    });
    await t.step("install again", async () => {
      await Deno.writeTextFile(`${config}/vm-backup.conf`, "MIN_FREE_GB=7\n");
      const { code, stdout } = await run(installer, [], env);
      assert.equal(code, 0);
      assert.match(stdout, /dist\/vmb is newer than all sources/);
      assert.match(stdout, /vm-backup\.conf is kept as it is/);
      assert.equal(await Deno.readTextFile(`${config}/vm-backup.conf`), "MIN_FREE_GB=7\n");
    });
    await t.step("uninstall is refused while a journal lies there", async () => {
      const journal = `${destination}/var/lib/vm-backup/state/journal`;
      await Deno.mkdir(journal, { recursive: true });
      await Deno.writeTextFile(`${journal}/run`, "");
      const refused = await run(installer, ["--uninstall"], env);
      assert.equal(refused.code, 1);
      assert.match(refused.stderr, /hint: Run: vmb hv recover/);
      await Deno.stat(vmb);
      await Deno.remove(`${journal}/run`);
    });
    await t.step("uninstall", async () => {
      for (let time = 1; time <= 2; time++) {
        const { code, stdout } = await run(installer, ["--uninstall"], env);
        assert.equal(code, 0);
        assert.match(stdout, /These stay/);
      }
      for (const gone of [vmb, link, `${destination}/var/cache/vmb`]) {
        await assert.rejects(Deno.lstat(gone), Deno.errors.NotFound, gone);
      }
      assert.equal(await Deno.readTextFile(`${config}/vm-backup.conf`), "MIN_FREE_GB=7\n");
    });
    await t.step("a file of somebody else in the place of the link is left alone", async () => {
      await Deno.writeTextFile(link, "not ours");
      assert.equal((await run(installer, [], env)).code, 1);
      await run(installer, ["--uninstall"], env);
      assert.equal(await Deno.readTextFile(link), "not ours");
    });
  } finally {
    await Deno.remove(destination, { recursive: true });
  }
});

async function run(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    env: { ...env, NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

async function modeOf(path: string): Promise<string> {
  return ((await Deno.stat(path)).mode ?? 0).toString(8).slice(-3);
}
