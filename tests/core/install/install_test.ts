import assert from "node:assert/strict";
import { places } from "../../../core/install/places.ts";
import { openMachine } from "./machine.ts";

const conf = `${places.config}/vm-backup.conf`;
const timer = `${places.units}/vmb-recover.timer`;

Deno.test("install makes folders, program, links, examples, units and log rotation", async () => {
  await using machine = await openMachine();
  const { changed, told } = await machine.install();
  assert.ok(changed);
  assert.ok(told.includes(`create ${places.program}`), told.join("\n"));
  const names = (await machine.listing()).map((line) => line.split(" ").slice(0, 2).join(" "));
  assert.deepEqual(
    names.filter((name) => !/^755 \/(etc|usr|opt)\/([\w.]+\/)*$/.test(name)),
    [
      "644 /etc/logrotate.d/vm-backup",
      "link /etc/systemd/system/timers.target.wants/vmb-recover.timer",
      "644 /etc/systemd/system/vmb-recover.service",
      "644 /etc/systemd/system/vmb-recover.timer",
      "644 /opt/vm-backup/.install.lock",
      "600 /opt/vm-backup/.installed.json",
      "755 /opt/vm-backup/",
      "755 /opt/vm-backup/bin/",
      "755 /opt/vm-backup/bin/vmb",
      "750 /opt/vm-backup/config/",
      "640 /opt/vm-backup/config/vm-backup.conf",
      "640 /opt/vm-backup/config/vm-list.yaml",
      "755 /opt/vm-backup/jobs/",
      "755 /opt/vm-backup/jobs/vmb-job",
      "750 /opt/vm-backup/logs/",
      "link /usr/local/bin/lab-backup",
      "link /usr/local/bin/vmb",
    ].sort((a, b) => a.split(" ")[1]! < b.split(" ")[1]! ? -1 : 1),
  );
  const run = await new Deno.Command(machine.root + places.program).output();
  assert.equal(new TextDecoder().decode(run.stdout), "first\n");
});

Deno.test("install a second time changes nothing", async () => {
  await using machine = await openMachine();
  await machine.install({ timers: ["verify"] });
  const before = await machine.listing();
  const inode = (await Deno.stat(machine.root + places.program)).ino;
  const { changed, told } = await machine.install();
  assert.equal(changed, false);
  assert.deepEqual(told, []);
  assert.deepEqual(await machine.listing(), before);
  assert.equal((await Deno.stat(machine.root + places.program)).ino, inode);
});

Deno.test("install upgrades the program in one step, while the old one runs", async () => {
  await using machine = await openMachine();
  await Deno.writeTextFile(machine.program, '#!/bin/sh\nread line\necho "old $line"\n');
  await machine.install();
  const old = new Deno.Command(machine.root + places.program, { stdin: "piped", stdout: "piped" })
    .spawn();
  await Deno.writeTextFile(machine.program, "#!/bin/sh\necho new\n");
  const { told } = await machine.install();
  assert.deepEqual(told, [`update ${places.program}`]);
  const writer = old.stdin.getWriter();
  await writer.write(new TextEncoder().encode("still\n"));
  await writer.close();
  assert.equal(new TextDecoder().decode((await old.output()).stdout), "old still\n");
  const fresh = await new Deno.Command(machine.root + places.program).output();
  assert.equal(new TextDecoder().decode(fresh.stdout), "new\n");
});

Deno.test("install replaces what an older version installed, without asking", async () => {
  await using machine = await openMachine();
  await machine.install();
  const record = JSON.parse(await machine.read(places.record));
  await machine.write(timer, "of an older version\n");
  const digest = await sha256("of an older version\n");
  record.ours[timer] = [`sha256:${digest}`];
  await machine.write(places.record, JSON.stringify(record), 0o600);
  const { told, setAside } = await machine.install();
  assert.deepEqual(told, [`update ${timer}`]);
  assert.equal(setAside, undefined);
});

Deno.test("install asks about a file that was changed here, and half-does nothing", async () => {
  await using machine = await openMachine();
  await machine.install();
  await machine.write(timer, `${await machine.read(timer)}# mine\n`);
  await Deno.writeTextFile(machine.program, "#!/bin/sh\necho second\n");
  const before = await machine.listing();
  await assert.rejects(machine.install(), (error: Error & { hint: string; exit: number }) => {
    assert.equal(error.exit, 2);
    assert.ok(error.message.includes(timer), error.message);
    assert.match(error.hint, /--yes.*--keep-all/);
    return true;
  });
  assert.deepEqual(await machine.listing(), before);
  const { changes } = await machine.plan();
  const [question, ...others] = changes.filter((change) => change.question);
  assert.deepEqual(others, []);
  assert.match(question?.diff ?? "", /^-# mine$/m);
});

Deno.test("install keeps a changed file that shall be kept, and does not ask again", async () => {
  await using machine = await openMachine();
  await machine.install();
  await machine.write(timer, "mine\n");
  const { plan } = await machine.install({ answers: "keep all" });
  assert.equal(plan.changes.find(({ path }) => path === timer)?.declined, true);
  assert.equal(await machine.read(timer), "mine\n");
  assert.equal((await machine.install()).changed, false);
  // Another change of it is not another question: what is offered was not wanted.
  await machine.write(timer, "mine, too\n");
  assert.equal((await machine.install()).changed, false);
});

Deno.test("install replaces a changed file that may be replaced, and sets it aside", async () => {
  await using machine = await openMachine();
  await machine.install();
  const original = await machine.read(timer);
  await machine.write(timer, "mine\n");
  const { setAside } = await machine.install({ answers: "replace all" });
  assert.equal(await machine.read(timer), original);
  assert.equal(await machine.read(`${setAside}${timer}`), "mine\n");
  assert.equal((await Deno.stat(machine.root + places.replaced)).mode! & 0o777, 0o700);
  assert.equal((await machine.install()).changed, false);
});

Deno.test("install takes an answer only for what was shown", async () => {
  await using machine = await openMachine();
  await machine.install();
  await machine.write(timer, "shown\n");
  const { changes } = await machine.plan();
  const from = changes.find(({ path }) => path === timer)?.from;
  await machine.write(timer, "changed after that\n");
  const answers = new Map([[timer, { answer: "replace", from } as const]]);
  await assert.rejects(machine.install({ answers }), { code: "install.changed-files" });
  await machine.write(timer, "shown\n");
  const { told } = await machine.install({ answers });
  assert.deepEqual(told, [`update ${timer}`]);
});

Deno.test("applyInstall overwrites nothing that was changed after the plan was made", async () => {
  await using machine = await openMachine();
  await machine.install();
  await machine.write(timer, "planned with this\n");
  const plan = await machine.plan({ answers: "replace all" });
  await machine.write(timer, "changed after that\n");
  const { applyInstall } = await import("../../../core/install/apply.ts");
  await assert.rejects(applyInstall({ system: machine.system, plan, report: () => {} }), {
    code: "install.changed-meanwhile",
  });
  assert.equal(await machine.read(timer), "changed after that\n");
});

Deno.test("install leaves a configuration that is there, whatever it says", async () => {
  await using machine = await openMachine();
  await machine.write(conf, "MIN_FREE_GB=7\n", 0o600);
  await machine.install();
  assert.equal(await machine.read(conf), "MIN_FREE_GB=7\n");
  assert.equal((await Deno.stat(machine.root + conf)).mode! & 0o777, 0o600);
});

Deno.test("install asks before it takes the name of somebody else's program", async () => {
  await using machine = await openMachine();
  await machine.write(places.link, "not ours", 0o755);
  await assert.rejects(machine.install(), { code: "install.changed-files" });
  assert.equal(await machine.read(places.link), "not ours");
  const { setAside } = await machine.install({ answers: "replace all" });
  assert.equal(await Deno.readLink(machine.root + places.link), places.program);
  assert.equal(await machine.read(`${setAside}${places.link}`), "not ours");
});

Deno.test("install narrows modes that are too wide, and leaves stricter ones", async () => {
  await using machine = await openMachine();
  await machine.install();
  await Deno.chmod(machine.root + places.config, 0o777);
  await Deno.chmod(machine.root + places.logs, 0o700);
  await Deno.chmod(machine.root + places.program, 0o775);
  await Deno.chmod(machine.root + timer, 0o666);
  const { told } = await machine.install();
  assert.deepEqual(told, [
    `update ${places.config}: mode 0750`,
    `update ${places.program}: mode 0755`,
    `update ${timer}: mode 0644`,
  ]);
  assert.equal((await machine.install()).changed, false);
});

Deno.test("install takes optional timers, keeps them, and removes them again", async () => {
  await using machine = await openMachine();
  const enabled = `${places.units}/timers.target.wants/vmb-verify.timer`;
  await machine.install({ timers: ["verify"] });
  assert.equal(await Deno.readLink(machine.root + enabled), `${places.units}/vmb-verify.timer`);
  assert.equal((await machine.install()).changed, false);
  const { told } = await machine.install({ timers: [] });
  assert.deepEqual(told, [
    `remove ${enabled}`,
    `remove ${places.units}/vmb-verify.service`,
    `remove ${places.units}/vmb-verify.timer`,
  ]);
  assert.equal((await machine.install()).changed, false);
});

Deno.test("install refuses a folder where a file goes, and a file where a folder goes", async () => {
  await using machine = await openMachine();
  await machine.write(`${places.program}/inside`, "");
  await assert.rejects(machine.install(), { code: "install.folder" });
  await Deno.remove(machine.root + places.bin, { recursive: true });
  await machine.write(places.bin, "");
  await assert.rejects(machine.install(), { code: "install.folder" });
});

Deno.test("install from the sources is refused: there is no one file to install", async () => {
  const { realSystem } = await import("../../../core/sys/system.ts");
  await using machine = await openMachine({ host: realSystem.host });
  await assert.rejects(machine.install(), { code: "install.source", exit: 2 });
});

Deno.test("install needs root only where it is for this machine", async () => {
  const { realSystem } = await import("../../../core/sys/system.ts");
  await using machine = await openMachine({ host: { ...realSystem.host, uid: () => 1000 } });
  await assert.rejects(machine.plan({ root: "" }), { code: "install.privilege", exit: 5 });
});

Deno.test("install is refused while another one runs", async () => {
  await using machine = await openMachine();
  await machine.install();
  await using lock = await held(machine.root + places.lock);
  void lock;
  await assert.rejects(machine.install(), { code: "install.locked", exit: 11 });
});

async function held(path: string): Promise<AsyncDisposable> {
  const { systemFiles } = await import("../../../core/sys/files.ts");
  const lock = await systemFiles.lock(path);
  return { [Symbol.asyncDispose]: async () => await lock?.release() };
}

async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return new Uint8Array(digest).toHex();
}
