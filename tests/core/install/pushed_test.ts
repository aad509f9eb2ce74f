import assert from "node:assert/strict";
import { sitePlaces } from "../../../core/bacula/places.ts";
import { places } from "../../../core/install/places.ts";
import { realSystem } from "../../../core/sys/system.ts";
import { VmbError } from "../../../core/error.ts";
import type { Processes } from "../../../core/sys/process.ts";
import { temporaryFolder } from "../nbd/servers.ts";
import { openMachine } from "./machine.ts";

const conf = `${places.config}/vm-backup.conf`;

/** What `bacula-fd -t` says, whether or not a File Daemon is installed where the test runs. */
function fileDaemonSaying(code: number, stdout = ""): Processes {
  const run: Processes["run"] = (argv, options) =>
    argv[0] === "bacula-fd"
      ? Promise.resolve({ argv, code, stdout, stderr: "" })
      : realSystem.processes.run(argv, options);
  return { ...realSystem.processes, run };
}

/** A folder as `vmb ctl push` makes it. */
async function pushed(files: Readonly<Record<string, string>>) {
  const folder = await temporaryFolder();
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(`${folder.path}/${name}`, text);
  }
  return folder;
}

Deno.test("install with pushed files replaces an example that nobody changed", async () => {
  await using machine = await openMachine();
  await machine.install();
  await using from = await pushed({ "vm-backup.conf": "MIN_FREE_GB=7\n" });
  const { told } = await machine.install({ from: from.path });
  assert.deepEqual(told, [`update ${conf}`]);
  assert.equal(await machine.read(conf), "MIN_FREE_GB=7\n");
  // Without them, the next installation leaves what was pushed.
  assert.equal((await machine.install()).changed, false);
  assert.equal((await machine.install({ from: from.path })).changed, false);
});

Deno.test("install with pushed files asks about those that are somebody else's", async () => {
  await using machine = await openMachine({ processes: fileDaemonSaying(0) });
  await machine.write(conf, "MIN_FREE_GB=1\n");
  await machine.write(places.fileDaemonConfig, 'Director { Password = "of the package" }\n');
  await using from = await pushed({
    "vm-backup.conf": "MIN_FREE_GB=7\n",
    "bacula-fd.conf": 'Director { Password = "ours" }\n',
  });
  await assert.rejects(machine.install({ from: from.path }), (error: Error) => {
    assert.ok(error.message.includes(conf) && error.message.includes(places.fileDaemonConfig));
    return true;
  });
  const { changes } = await machine.plan({ from: from.path });
  const shown = changes.map(({ diff }) => diff).join();
  assert.doesNotMatch(shown, /of the package|ours/);
});

Deno.test("install with pushed files keeps the group of the File Daemon's configuration", async () => {
  if (Deno.uid() !== 0) return;
  await using machine = await openMachine({ processes: fileDaemonSaying(0) });
  const file = places.fileDaemonConfig;
  await machine.write(file, "of the package\n", 0o640);
  await Deno.chown(machine.root + file, 0, 12);
  await using from = await pushed({ "bacula-fd.conf": "ours\n" });
  await machine.install({ from: from.path, answers: "replace all" });
  const { uid, gid, mode } = await Deno.stat(machine.root + file);
  assert.deepEqual([uid, gid, mode! & 0o777], [0, 12, 0o640]);
});

Deno.test("install refuses pushed files that vmb or Bacula would not take, and changes nothing", async () => {
  const processes = fileDaemonSaying(1, "Config error: Keyword x\n : line 1\n");
  await using machine = await openMachine({ processes });
  await using bad = await pushed({ "vm-backup.conf": "MIN_FREE_GB=much\n" });
  await assert.rejects(machine.install({ from: bad.path }), { code: "config.invalid", exit: 4 });
  await using fd = await pushed({ "bacula-fd.conf": "x\n" });
  await assert.rejects(machine.install({ from: fd.path }), (error: VmbError) => {
    assert.equal(error.code, "install.fd-config");
    assert.match(error.message, /Keyword x/);
    return true;
  });
  await assert.rejects(machine.install({ from: `${fd.path}/none` }), { code: "install.from" });
  assert.deepEqual(await machine.listing(), []);
});

Deno.test("install has the File Daemon read the password that comes, not the one that is there", async () => {
  let tested = "";
  const run: Processes["run"] = async (argv, options) => {
    if (argv[0] !== "bacula-fd") return await realSystem.processes.run(argv, options);
    tested = await Deno.readTextFile(argv.at(-1) ?? "");
    return { argv, code: 0, stdout: "", stderr: "" };
  };
  await using machine = await openMachine({ processes: { ...realSystem.processes, run } });
  await using from = await pushed({
    "bacula-fd.conf": `@${places.fileDaemonPassword}\n`,
    "vmb-fd-password": 'Password = "x"\n',
  });
  await machine.install({ from: from.path });
  assert.equal(tested, `@${from.path}/vmb-fd-password\n`);
  assert.equal(await machine.read(places.fileDaemonConfig), `@${places.fileDaemonPassword}\n`);
});

Deno.test("install gives Bacula's configuration the places that it names, for root alone", async () => {
  const { hypervisor } = sitePlaces({ nfs: { export: "", mount: "/mnt/backup", options: [] } });
  assert.deepEqual([places.link, places.fileDaemonPassword, places.launcher], [
    hypervisor.vmb,
    `${hypervisor.secrets}/vmb-fd-password`,
    hypervisor.launcher,
  ]);
  await using machine = await openMachine({ processes: fileDaemonSaying(0) });
  await machine.install();
  await using from = await pushed({ "bacula-fd.conf": "x\n", "vmb-fd-password": "y\n" });
  await machine.install({ from: from.path });
  const mode = async (path: string) => ((await Deno.stat(machine.root + path)).mode ?? 0) & 0o777;
  assert.equal(await mode(places.fileDaemonPassword), 0o600);
  const { changed } = await machine.install({ from: from.path });
  assert.equal(changed, false);
});
