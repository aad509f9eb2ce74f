import assert from "node:assert/strict";
import fc from "fast-check";
import { problemLine } from "../../../core/config/problem.ts";
import { ConfigError } from "../../../core/error.ts";
import { initSecrets, rotateSecrets } from "../../../core/secrets/change_secrets.ts";
import { generatePassword } from "../../../core/secrets/generate.ts";
import { isSecretKey, passwordKeys, secretKeys } from "../../../core/secrets/secret_key.ts";
import { loadSecrets, readSecrets, secretsProblems } from "../../../core/secrets/secrets_file.ts";
import { systemFiles } from "../../../core/sys/files.ts";
import { temporaryFolder } from "../nbd/servers.ts";

Deno.test("generatePassword gives letters and digits that do not repeat", () => {
  const passwords = Array.from({ length: 1000 }, generatePassword);
  for (const password of passwords) assert.match(password, /^[A-Za-z0-9]{40}$/);
  assert.equal(new Set(passwords).size, passwords.length);
  // Each of the 62 characters comes up; that one does not, in 40,000 draws, has a chance of 1e-280.
  assert.equal(new Set(passwords.join("")).size, 62);
});

Deno.test("isSecretKey knows no key of JavaScript's own", () => {
  assert.ok(isSecretKey("DB_PASSWORD"));
  for (const word of ["toString", "constructor", "db_password", ""]) assert.ok(!isSecretKey(word));
});

Deno.test("initSecrets makes all passwords, in a file for its owner alone", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/secrets.conf`;
  assert.deepEqual(await initSecrets(systemFiles, path), passwordKeys);
  const { mode } = await Deno.stat(path);
  assert.equal((mode ?? 0) & 0o7777, 0o600);
  const secrets = await loadSecrets(systemFiles, path);
  assert.deepEqual([...secrets.keys()].sort(), [...passwordKeys].sort());
  assert.equal(new Set(secrets.values()).size, passwordKeys.length);
  assert.deepEqual(await Array.fromAsync(Deno.readDir(folder.path), ({ name }) => name), [
    "secrets.conf",
  ]);
});

Deno.test("initSecrets leaves what is there as it is, and adds only what is missing", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/secrets.conf`;
  const kept = "# mine\nDB_PASSWORD='0123456789abcdefXYZ' # typed by hand";
  await Deno.writeTextFile(path, kept, { mode: 0o600 });
  const made = await initSecrets(systemFiles, path);
  assert.deepEqual(made, passwordKeys.filter((key) => key !== "DB_PASSWORD"));
  const text = await Deno.readTextFile(path);
  assert.ok(text.startsWith(`${kept}\n`));
  assert.equal((await loadSecrets(systemFiles, path)).get("DB_PASSWORD"), "0123456789abcdefXYZ");
  assert.deepEqual(await initSecrets(systemFiles, path), []);
  assert.equal(await Deno.readTextFile(path), text);
});

Deno.test("rotateSecrets changes the lines of its keys, and no other byte", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/secrets.conf`;
  await initSecrets(systemFiles, path);
  const before = (await Deno.readTextFile(path)).split("\n");
  const old = await loadSecrets(systemFiles, path);
  await rotateSecrets(systemFiles, path, ["FD_PASSWORD", "API_PASSWORD"]);
  const now = await loadSecrets(systemFiles, path);
  for (const key of passwordKeys) {
    const rotated = key === "FD_PASSWORD" || key === "API_PASSWORD";
    assert.equal(now.get(key) !== old.get(key), rotated, key);
  }
  const after = (await Deno.readTextFile(path)).split("\n");
  const changed = after.filter((line, index) => line !== before[index]);
  assert.deepEqual(changed.map((line) => line.split("=")[0]), ["FD_PASSWORD", "API_PASSWORD"]);
});

Deno.test("rotateSecrets replaces a value that is unusable, and adds one that is missing", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/secrets.conf`;
  await Deno.writeTextFile(path, 'DB_PASSWORD="short"\r\n', { mode: 0o600 });
  await rotateSecrets(systemFiles, path, ["DB_PASSWORD", "SD_PASSWORD"]);
  const text = await Deno.readTextFile(path);
  assert.match(text, /^DB_PASSWORD=[A-Za-z0-9]{40}\r\nSD_PASSWORD=[A-Za-z0-9]{40}\n$/);
});

Deno.test("rotateSecrets makes no webhook", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/secrets.conf`;
  await assert.rejects(
    rotateSecrets(systemFiles, path, ["SLACK_FAILURE_WEBHOOK"]),
    { code: "usage.secret", exit: 2 },
  );
  assert.deepEqual(await systemFiles.list(folder.path), []);
});

Deno.test("initSecrets and rotateSecrets keep a link a link", async () => {
  await using folder = await temporaryFolder();
  const [path, target] = [`${folder.path}/secrets.conf`, `${folder.path}/elsewhere`];
  await initSecrets(systemFiles, target);
  await Deno.symlink(target, path);
  await rotateSecrets(systemFiles, path, ["DB_PASSWORD"]);
  assert.equal((await Deno.lstat(path)).isSymlink, true);
  await loadSecrets(systemFiles, path);
});

Deno.test("secrets that others may open are refused, whatever is to be done with them", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/secrets.conf`;
  await initSecrets(systemFiles, path);
  for (const mode of [0o640, 0o604, 0o644, 0o660, 0o666, 0o610]) {
    await Deno.chmod(path, mode);
    const shown = `mode 0${mode.toString(8)}`;
    const refused = (error: unknown) =>
      error instanceof ConfigError && error.exit === 4 && error.message.includes(shown);
    await assert.rejects(loadSecrets(systemFiles, path), refused);
    await assert.rejects(initSecrets(systemFiles, path), refused);
    await assert.rejects(rotateSecrets(systemFiles, path, ["DB_PASSWORD"]), refused);
  }
});

Deno.test("readSecrets names every problem with its place, and never a value", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/secrets.conf`;
  const lines = [
    "DB_PASWORD=abcdefghijklmnop",
    'SD_PASSWORD="has a space in it, oh"',
    "FD_PASSWORD=tooshort",
    "SLACK_FAILURE_WEBHOOK=http://hooks.example/T0/SECRETPART",
    "API_PASSWORD=",
    "no line at all SECRETLINE",
    "DB_PASSWORD=abcdefghijklmnopq",
    "DB_PASSWORD=abcdefghijklmnopr",
  ];
  await Deno.writeTextFile(path, `${lines.join("\n")}\n`, { mode: 0o600 });
  const problems = secretsProblems(await readSecrets(systemFiles, path), path);
  const shown = problems.map((problem) =>
    problemLine(problem).replaceAll(path, "f") + (problem.hint ? ` | ${problem.hint}` : "")
  );
  assert.deepEqual(shown, [
    "f:1:1: Unknown key DB_PASWORD | Did you mean DB_PASSWORD?",
    "f:2:13: Cannot use the value of SD_PASSWORD: expected 16 to 60 letters and digits" +
    " | Make a new one with: vmb ctl secrets rotate SD_PASSWORD",
    "f:3:13: Cannot use the value of FD_PASSWORD: expected 16 to 60 letters and digits" +
    " | Make a new one with: vmb ctl secrets rotate FD_PASSWORD",
    "f:4:23: Cannot use the value of SLACK_FAILURE_WEBHOOK: expected an https:// URL" +
    " | Copy the webhook URL from the settings of your Slack app, or leave it empty for none",
    "f:5:14: Cannot use the value of API_PASSWORD: expected 16 to 60 letters and digits" +
    " | Make a new one with: vmb ctl secrets rotate API_PASSWORD",
    "f:6:1: Cannot read the line: expected KEY=value" +
    " | Start a comment with #, and write a key with letters, digits and _ only",
    "f:8:1: Duplicate key DB_PASSWORD: already set on line 7 | Remove one of the two lines",
    ...["DIRECTOR_PASSWORD", "CONSOLE_PASSWORD", "MONITOR_PASSWORD", "BACULARIS_ADMIN_PASSWORD"]
      .map((key) => `f: Missing key ${key} | Run: vmb ctl secrets init`),
  ]);
});

Deno.test("readSecrets shows no value in a problem, whatever the file holds", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/secrets.conf`;
  const value = fc.string({ unit: "binary-ascii", maxLength: 20 }).map((end) => `SECRET${end}`);
  const text = fc.array(fc.tuple(fc.constantFrom(...secretKeys, "OTHER"), value));
  await fc.assert(
    fc.asyncProperty(text, async (pairs) => {
      const content = pairs.map(([key, value]) => `${key}=${value}\n`).join("");
      await Deno.writeTextFile(path, content, { mode: 0o600 });
      const problems = secretsProblems(await readSecrets(systemFiles, path), path);
      assert.doesNotMatch(JSON.stringify(problems), /SECRET/);
    }),
    { numRuns: 50 },
  );
});

Deno.test("loadSecrets says how to make a file that is missing", async () => {
  await using folder = await temporaryFolder();
  await assert.rejects(loadSecrets(systemFiles, `${folder.path}/secrets.conf`), {
    exit: 4,
    hint: "Run: vmb ctl secrets init",
  });
});
