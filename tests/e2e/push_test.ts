import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { passwordKeys } from "../../core/secrets/secret_key.ts";
import { type SshHost, type SshHosts, startSshHosts } from "../lab/ssh_hosts.ts";
import { waitFor } from "../lab/wait.ts";
import { assertEnded, type Ended } from "./site.ts";

/** What is pushed is the program that pushes, so that it must be a built one. */
const vmb = Deno.env.get("VMB_BIN") ?? fileURLToPath(new URL("../../dist/vmb", import.meta.url));

const program = "/opt/vm-backup/bin/vmb";
const conf = "/opt/vm-backup/config/vm-backup.conf";
const timer = "/etc/systemd/system/vmb-recover.timer";
const fdConfig = "/etc/bacula/bacula-fd.conf";
const fdPassword = "/etc/bacula/vmb-fd-password";

Deno.test("vmb ctl push brings two hypervisors up to date while a third is down", async (t) => {
  await using hosts = await startSshHosts(["hv1", "hv2"]);
  const [hv1, hv2] = hosts.hosts as [SshHost, SshHost];
  const repository = await makeRepository(hosts);
  await using _ = { [Symbol.asyncDispose]: () => Deno.remove(repository, { recursive: true }) };
  const push = (...args: readonly string[]) =>
    run(["ctl", "push", "--repository", repository, "--ssh-config", hosts.sshConfig, ...args]);

  await t.step("a dry run leaves nothing on a hypervisor", async () => {
    const ended = await push("hv1", "--dry-run");
    assertEnded(ended, 0);
    assert.match(ended.stdout, /^hv1 {9}would be: \d+ changes$/m);
    assert.match(ended.stdout, /^hv1: would create \/opt\/vm-backup\/bin\/vmb$/m);
    assert.deepEqual(await names(`${hv1.root}/opt`), []);
    assert.deepEqual(await names(`${hv1.root}/var/cache`), []);
  });

  await t.step("the first push installs, and tells of the one that is down", async () => {
    const ended = await push();
    assertEnded(ended, 1);
    assert.match(ended.stdout, /^HYPERVISOR {2}RESULT +DETAIL$/m);
    for (const name of ["hv1", "hv2"]) {
      assert.match(ended.stdout, new RegExp(`^${name} {9}\\d+ changes$`, "m"));
    }
    assert.match(ended.stdout, /^hv3 {9}FAILED +Connection by ssh to root@\S+ failed: /m);
    assert.match(ended.stderr, /Push failed for 1 of 3 hypervisors: hv3\n {2}hint: hv3: Is the/);
    for (const { name, root } of hosts.hosts) {
      assert.deepEqual(await Deno.readFile(root + program), await Deno.readFile(vmb));
      assert.equal(await Deno.readLink(`${root}/usr/local/bin/vmb`), program);
      const settings = await Deno.readTextFile(root + conf);
      assert.match(settings, new RegExp(`^HYPERVISOR_NAME=${name}$`, "m"));
      assert.match(settings, /^MIN_FREE_GB=7$/m);
      assert.ok((await Deno.readTextFile(`${root}/opt/vm-backup/config/vm-list.yaml`)) === vmList);
      assert.ok((await Deno.readTextFile(root + fdConfig)).includes(`@${fdPassword}`));
      assert.match(
        await Deno.readTextFile(root + fdPassword),
        /^Password = "?FDPASSWORD0123456789"?\n$/,
      );
      assert.equal(await modeOf(root + fdPassword), 0o600);
      assert.equal(await modeOf(`${root}/opt/vm-backup/jobs/vmb-job`), 0o755);
      await assertClean(root);
    }
  });

  await t.step("the second push changes nothing", async () => {
    const before = await Promise.all(hosts.hosts.map(({ root }) => inodes(root)));
    const ended = await push("hv1", "hv2");
    assertEnded(ended, 0);
    assert.equal(
      ended.stdout,
      "HYPERVISOR  RESULT\nhv1         no changes\nhv2         no changes\n",
    );
    assert.deepEqual(await Promise.all(hosts.hosts.map(({ root }) => inodes(root))), before);
    for (const { root } of hosts.hosts) await assertClean(root);
  });

  await t.step("what is installed works there", async () => {
    const ended = await ssh(hosts, hv1, "vmb config validate");
    assert.match(ended.stdout, /valid, 1 VMs/);
  });

  await t.step(
    "a file that was changed there is asked about, and no hypervisor is changed",
    async () => {
      await Deno.writeTextFile(hv1.root + timer, "# changed here\n", { append: true });
      await setFreeSpace(repository, 9);
      const before = await Promise.all(hosts.hosts.map(({ root }) => inodes(root)));
      const ended = await push("hv1", "hv2");
      assertEnded(ended, 2);
      assert.match(ended.stderr, new RegExp(`hv1: ${timer}`));
      assert.match(ended.stderr, /hint: .*--yes.*--keep-all/);
      assert.deepEqual(await Promise.all(hosts.hosts.map(({ root }) => inodes(root))), before);
      const dry = await push("hv1", "--dry-run");
      assert.match(dry.stdout, new RegExp(`hv1: would ask whether to update ${timer}`));
      assert.match(dry.stdout, /^-# changed here$/m);
      for (const { root } of hosts.hosts) await assertClean(root);
    },
  );

  await t.step("--keep-all leaves that file, and updates the rest", async () => {
    const ended = await push("hv1", "hv2", "--keep-all", "--json");
    assertEnded(ended, 0);
    const { hypervisors } = JSON.parse(ended.stdout);
    assert.deepEqual(hypervisors.map(({ result }: { result: string }) => result), [
      "changed",
      "changed",
    ]);
    assert.match(await Deno.readTextFile(hv1.root + timer), /^# changed here$/m);
    assert.match(await Deno.readTextFile(hv1.root + conf), /^MIN_FREE_GB=9$/m);
    assert.match((await push("hv1", "hv2")).stdout, /^hv1 {9}no changes +kept \/etc.*\nhv2/m);
  });

  await t.step("--yes replaces it, and sets it aside", async () => {
    const ended = await push("hv1", "--yes");
    assertEnded(ended, 0);
    assert.doesNotMatch(await Deno.readTextFile(hv1.root + timer), /changed here/);
    const [time] = await names(`${hv1.root}/opt/vm-backup/replaced`);
    const aside = `${hv1.root}/opt/vm-backup/replaced/${time}${timer}`;
    assert.match(await Deno.readTextFile(aside), /^# changed here$/m);
  });

  await t.step("a person at a terminal sees the difference, and is asked", async () => {
    await Deno.writeTextFile(hv2.root + conf, "MIN_FREE_GB=1\n", { append: true });
    const asked = await atTerminal("r\n", [
      ...["ctl", "push", "hv2", "--repository", repository, "--ssh-config", hosts.sshConfig],
    ]);
    assert.match(asked.stdout, /hv2: \/opt\S+ was changed there/);
    assert.match(asked.stdout, /^-MIN_FREE_GB=1\r?$/m);
    assert.match(asked.stdout, /^hv2 {9}1 change\r?$/m);
    assert.doesNotMatch(await Deno.readTextFile(hv2.root + conf), /MIN_FREE_GB=1$/m);
  });

  await t.step(
    "a configuration that is not valid there is refused before anything changes",
    async () => {
      await Deno.writeTextFile(`${repository}/vm-backup.conf`, "MIN_FREE_GB=much\n");
      const ended = await push("hv1");
      assertEnded(ended, 1);
      assert.match(ended.stdout, /Cannot use "much" as MIN_FREE_GB/);
      await setFreeSpace(repository, 9);
    },
  );

  await t.step("a host whose key is another one gets nothing", async () => {
    const keys = await Deno.readTextFile(hosts.knownHosts);
    const [key1 = "", key2 = ""] = keys.split("\n").map((line) =>
      line.split(" ").slice(1).join(" ")
    );
    await Deno.writeTextFile(hosts.knownHosts, `${hv1.address} ${key2}\n${hv2.address} ${key1}\n`);
    const ended = await push("hv1");
    assertEnded(ended, 1);
    assert.match(ended.stdout, /Host key verification failed/);
    assert.match(ended.stderr, /hint: Compare the host's key and accept it once/);
    await Deno.writeTextFile(hosts.knownHosts, keys);
  });

  await t.step("a push that is interrupted leaves nothing behind", async () => {
    const before = await Promise.all(hosts.hosts.map(({ root }) => inodes(root)));
    const folder = () => names(`${hv1.root}/opt/vm-backup`);
    const child = new Deno.Command(vmb, {
      args: ["ctl", "push", "hv1", "--repository", repository, "--ssh-config", hosts.sshConfig],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const ended = child.output();
    await waitFor(async () => (await folder()).find((name) => name.startsWith(".push")), {
      what: "files on the hypervisor",
      deadlineMs: 30_000,
      everyMs: 20,
    });
    child.kill("SIGINT");
    assert.equal((await ended).code, 130);
    await assertClean(hv1.root);
    assert.deepEqual(await Promise.all(hosts.hosts.map(({ root }) => inodes(root))), before);
  });

  await t.step("no secret was in an argument or in the output", async () => {
    const trace = `${repository}/trace`;
    const ended = await run(
      [
        "ctl",
        "push",
        "hv1",
        "--repository",
        repository,
        "--ssh-config",
        hosts.sshConfig,
        "--dry-run",
      ],
      ["strace", "-f", "-s", "4096", "-e", "trace=execve", "-o", trace],
    );
    assertEnded(ended, 0);
    const executed = await Deno.readTextFile(trace);
    assert.match(executed, /execve\("[^"]*ssh"/);
    for (const text of [executed, ended.stdout, ended.stderr]) {
      assert.doesNotMatch(text, /FDPASSWORD0123456789/);
    }
  });

  await t.step("a hypervisor that nobody knows ends the command with 10", async () => {
    const ended = await push("hv9");
    assertEnded(ended, 10);
    assert.match(ended.stderr, /hint: It has: hv1, hv2, hv3/);
  });
});

const vmList = `# it's "quoted" $HOME \`id\` ü
vms:
  - { name: "db's $(id)", hypervisor: hv1, priority: 10 }
`;

async function makeRepository({ hosts, nobody }: SshHosts): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "vmb-push-test-" });
  const hypervisors = [
    ...hosts.map(({ name, address }) => ({ name, address })),
    { name: "hv3", address: nobody },
  ];
  const image = (name: string) => `docker.io/library/${name}:1.0-trixie`;
  const site = {
    name: "Test lab",
    control: { host: "backup.example.org", addresses: ["192.0.2.10"] },
    time_zone: "Europe/Berlin",
    cycle: { start: "Saturday 12:00" },
    nfs: { export: "nas.example.org:/export/backup" },
    hypervisors,
    images: {
      postgres: "docker.io/library/postgres:17.6",
      director: image("director"),
      storage: image("storage"),
      api: image("director"),
      web: image("web"),
    },
  };
  await Deno.writeTextFile(`${folder}/site.yaml`, JSON.stringify(site, null, 2));
  await Deno.writeTextFile(`${folder}/vm-list.yaml`, vmList);
  const secrets = passwordKeys.map((key) => `${key}=${key.replaceAll("_", "")}0123456789\n`);
  await Deno.writeTextFile(`${folder}/secrets.conf`, secrets.join(""), { mode: 0o600 });
  await setFreeSpace(folder, 7);
  return folder;
}

async function setFreeSpace(repository: string, gibibytes: number): Promise<void> {
  await Deno.writeTextFile(`${repository}/vm-backup.conf`, `MIN_FREE_GB=${gibibytes}\n`);
}

async function run(args: readonly string[], before: readonly string[] = []): Promise<Ended> {
  const [first = "", ...rest] = [...before, vmb, ...args];
  const { code, stdout, stderr } = await new Deno.Command(first, {
    args: rest,
    stdin: "null",
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** Runs vmb with a terminal (script(1)); what both streams say comes as one. */
async function atTerminal(typed: string, args: readonly string[]): Promise<Ended> {
  const child = new Deno.Command("script", {
    args: ["--quiet", "--return", "--command", [vmb, ...args].join(" "), "/dev/null"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(typed));
  const output = child.output();
  const { code, stdout } = await output;
  await writer.close().catch(() => {});
  return { code, stdout: new TextDecoder().decode(stdout), stderr: "" };
}

async function ssh({ sshConfig }: SshHosts, { address }: SshHost, command: string): Promise<Ended> {
  const { code, stdout, stderr } = await new Deno.Command("ssh", {
    args: ["-F", sshConfig, "-o", "BatchMode=yes", `root@${address}`, command],
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** Nothing of a push is left beside what it installed. */
async function assertClean(root: string): Promise<void> {
  const left = (await names(`${root}/opt/vm-backup`)).filter((name) => name.startsWith(".push"));
  assert.deepEqual(left, []);
}

/** Of every file of the installation; a file that was written again has another one. */
async function inodes(root: string): Promise<readonly (number | null)[]> {
  const paths = [program, conf, timer, fdConfig, fdPassword, "/opt/vm-backup/.installed.json"];
  return await Promise.all(paths.map(async (path) => (await Deno.stat(root + path)).ino));
}

async function names(folder: string): Promise<readonly string[]> {
  return (await Array.fromAsync(Deno.readDir(folder), ({ name }) => name)).sort();
}

async function modeOf(path: string): Promise<number> {
  return ((await Deno.stat(path)).mode ?? 0) & 0o777;
}
