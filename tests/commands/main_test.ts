import assert from "node:assert/strict";
import { CancelledError } from "../../core/error.ts";
import { mountOf } from "../../core/repository/mount.ts";
import { addressIn, publishBackup } from "../core/repository/stored.ts";
import { fakeTerminal } from "./fake_terminal.ts";
import { openSite } from "./run.ts";
import { makeProgram } from "../../commands/program.ts";
import type { CommandContext } from "../../commands/context.ts";
import { realSystem } from "../../core/sys/system.ts";

/** The type of the file system that temporary folders lie on: here it stands in for NFS. */
const tempType = mountOf(
  await Deno.realPath(Deno.env.get("TMPDIR") ?? "/tmp"),
  await Deno.readTextFile("/proc/self/mountinfo"),
)?.type ?? "";
const asShare = `BACKUP_FSTYPES=${tempType}\nBACKUP_LOCAL=yes`;

Deno.test("vmb --version and --help print to the first stream and end well", async () => {
  await using site = await openSite();
  assert.deepEqual(await site.run("--version"), { code: 0, out: "vmb 9.8.7 (source)\n", err: "" });
  for (const path of commandPaths()) {
    const { code, out, err } = await site.run(...path, "--help");
    assert.deepEqual([code, err], [0, ""], path.join(" "));
    assert.match(out, /\nExamples:\n {2}\S/, path.join(" "));
    assert.match(out, /\nExit status:\n {4}0 {2}\S[\s\S]*\n {4}2 {2}the command line is wrong/);
    assert.ok(out.startsWith(`Usage: ${["vmb", ...path].join(" ")}`), out.split("\n")[0]);
  }
});

Deno.test("vmb with a wrong command line ends with 2, says what, and points to --help", async () => {
  await using site = await openSite();
  const table: readonly [readonly string[], RegExp][] = [
    [["hv", "bakcup"], /unknown command 'bakcup'[\s\S]*Did you mean backup\?/],
    [
      ["hv", "backup", "x", "--metod", "auto"],
      /unknown option '--metod'[\s\S]*Did you mean --method\?/,
    ],
    [["hv", "backup"], /missing required argument 'vm'/],
    [["hv", "backup", "a", "b"], /too many arguments/],
    [
      ["hv", "backup", "x", "--method", "magic"],
      /'magic' is invalid.*auto, quiesce, snapshot, offline/,
    ],
    [["hv", "backup", "x", "--level", "most"], /'most' is invalid/],
    [["hv", "backup", "x", "--job-id", "0"], /'0' is invalid.*A positive number/],
    [["hv", "backup", "x", "--disks-at-once", "99"], /from 1 to 16/],
  ];
  for (const [args, words] of table) {
    const { code, out, err } = await site.run(...args);
    assert.equal(code, 2, args.join(" "));
    assert.equal(out, "");
    assert.match(err, words);
    assert.match(err, /--help shows what can be given/);
  }
});

Deno.test("vmb without a command shows its help and ends with 2", async () => {
  await using site = await openSite();
  for (const args of [[], ["hv"], ["config"], ["hv", "notify"]]) {
    const { code, err } = await site.run(...args);
    assert.equal(code, 2);
    assert.match(err, /^Usage: vmb/);
  }
});

Deno.test("vmb with values that are refused later ends with 2 too", async () => {
  await using site = await openSite();
  const table: readonly [readonly string[], RegExp][] = [
    [["hv", "backup", "../x"], /Cannot use "\.\.\/x" as a VM name: it starts with "\."/],
    [["hv", "verify"], /name a VM, or give --all/],
    [["hv", "backup", "x", "--bwlimit", "fast"], /--bwlimit/],
  ];
  for (const [args, words] of table) {
    const { code, err } = await site.run(...args);
    assert.equal(code, 2, args.join(" "));
    assert.match(err, words);
  }
});

Deno.test("vmb hv names a VM that is not there, and the one that was meant", async () => {
  await using site = await openSite({ conf: asShare });
  for (const command of ["backup", "check"]) {
    const { code, err, out } = await site.run("hv", command, "tset");
    assert.equal(code, 10, err);
    assert.match(err, /vmb: No VM "tset" in libvirt.*\n {2}hint: Did you mean "test"\?/);
    assert.equal(out, "");
  }
  const { code, err } = await site.run("hv", "show", "test");
  assert.equal(code, 10);
  assert.match(err, /No backup of "test" in ".*share"/);
});

Deno.test("vmb --json gives a wrong command line as one JSON document too", async () => {
  await using site = await openSite();
  const { code, out, err } = await site.run("hv", "backup", "test", "--frobnicate", "--json");
  assert.equal(code, 2);
  assert.match(err, /unknown option '--frobnicate'/);
  assert.deepEqual(JSON.parse(out).error.code, "usage.command");
});

Deno.test("vmb --json gives an error as one JSON document", async () => {
  await using site = await openSite({ conf: asShare });
  const { code, out, err } = await site.run("hv", "backup", "tset", "--json");
  assert.equal(code, 10);
  assert.match(err, /^vmb: No VM/m);
  assert.deepEqual(JSON.parse(out), {
    error: {
      code: "libvirt.no-domain",
      message: 'No VM "tset" in libvirt at qemu:///system',
      hint: 'Did you mean "test"?',
      exit: 10,
    },
  });
});

Deno.test("vmb with a wrong configuration ends with 4 and names every place", async () => {
  await using site = await openSite({ conf: "COMPRESION=zstd\nMIN_FREE_GB=much" });
  for (const args of [["config", "validate"], ["hv", "backup", "test"], ["config", "show"]]) {
    const { code, err } = await site.run(...args);
    assert.equal(code, 4);
    assert.match(err, /vm-backup\.conf:6:1.*COMPRESION[\s\S]*vm-backup\.conf:7:\d+.*MIN_FREE_GB/);
  }
});

Deno.test("vmb config shows what is in force, and no secret", async () => {
  await using site = await openSite({
    conf: "SLACK_FAILURE_WEBHOOK=https://hooks.slack.com/services/T0/B0/verysecret",
    list: "vms: [{name: test, hypervisor: hv1}]",
  });
  for (const args of [["config", "show", "--origin"], ["config", "show", "--json"]]) {
    const { code, out, err } = await site.run(...args);
    assert.equal(code, 0, err);
    assert.match(out, /HYPERVISOR_NAME/);
    assert.ok(!`${out}${err}`.includes("verysecret"));
  }
  assert.match((await site.run("config", "validate")).out, /config: valid, 1 VMs\n$/);
  assert.ok(JSON.parse((await site.run("config", "schema")).out));
});

Deno.test("vmb hv backup stops at checks that fail, changes nothing, and says which", async () => {
  await using site = await openSite();
  const { code, err, out } = await site.run("hv", "backup", "test", "--json");
  assert.equal(code, 6, err);
  assert.match(JSON.parse(out).error.message, /Checks before the backup of "test" failed/);
  assert.match(err, /check share-mounted: failed: Backup root ".*share" is on/);
  assert.deepEqual([...Deno.readDirSync(site.share)], []);
  const dry = await site.run("hv", "backup", "test", "--dry-run");
  assert.equal(dry.code, 6);
});

Deno.test("vmb hv backup of a VM of another hypervisor is refused", async () => {
  await using site = await openSite({ list: "vms: [{name: test, hypervisor: hv2}]" });
  const { code, err } = await site.run("hv", "backup", "test");
  assert.equal(code, 4);
  assert.match(err, /VM "test" belongs to hypervisor "hv2", and this is "hv1"/);
});

Deno.test("vmb hv list, show and verify read what lies on the share", async () => {
  await using site = await openSite({ conf: asShare });
  const address = addressIn(site.share, { vm: "gw 1" });
  const folder = await publishBackup(site.folder, address, { "gw 1.xml": "<domain/>" });
  const list = await site.run("hv", "list");
  assert.equal(list.code, 0, list.err);
  assert.match(
    list.out,
    /^VM +ID[^\n]+\ngw 1 +2026-11-21-120000 +hv1 +full +quiesce.*read back +-\n$/,
  );
  const json = JSON.parse((await site.run("hv", "list", "gw 1", "--json")).out);
  assert.equal(json.backups[0].manifest.id, address.id);
  const show = await site.run("hv", "show", "gw 1");
  assert.match(show.out, /method +quiesce, filesystem-consistent\nfrozen +12 ms/);
  assert.equal((await site.run("hv", "show", "gw 1", "2020-01-01-000000")).code, 10);

  const whole = await site.run("hv", "verify", "--all");
  assert.deepEqual([whole.code, whole.out], [0, "gw 1 2026-11-21-120000: ok, 2 files, 1 KiB\n"]);
  await Deno.writeTextFile(`${folder}/gw 1.xml`, "<Domain/>");
  const damaged = await site.run("hv", "verify", "gw 1", "--json");
  assert.equal(damaged.code, 6);
  const { verifications, ...rest } = JSON.parse(damaged.out);
  assert.deepEqual(rest, {});
  assert.match(verifications[0].problems[0], /^"gw 1\.xml" was changed/);
});

Deno.test("vmb hv list of a share that is not mounted is no empty list", async () => {
  await using site = await openSite();
  const { code, out, err } = await site.run("hv", "list");
  assert.deepEqual([code, out], [6, ""]);
  assert.match(err, /is on .* not on a mount of type nfs/);
});

Deno.test("vmb hv recover without anything left says so", async () => {
  await using site = await openSite();
  assert.deepEqual(await site.run("hv", "recover"), {
    code: 0,
    out: "nothing to recover\n",
    err: "",
  });
  const { out } = await site.run("hv", "recover", "--json");
  assert.deepEqual(JSON.parse(out), { recoveries: [] });
});

Deno.test("vmb hv notify test without a webhook is an error of the configuration", async () => {
  await using site = await openSite();
  const { code, err } = await site.run("hv", "notify", "test");
  assert.equal(code, 4);
  assert.match(err, /No webhook is configured\n {2}hint: Set SLACK_FAILURE_WEBHOOK/);
});

Deno.test("vmb that is told to stop ends with the signal's code", async () => {
  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
    const cancelled = new CancelledError(signal);
    const host = {
      ...realSystem.host,
      env: () => {
        throw cancelled;
      },
    };
    await using site = await openSite({ changes: { host } });
    const ended = await site.run("config", "show");
    assert.equal(ended.code, code);
    assert.equal(ended.err, `vmb: Stopped by ${signal}\n`);
  }
});

Deno.test("vmb that meets a fault of its own shows where, and ends with 1", async () => {
  const host = {
    ...realSystem.host,
    env: () => {
      throw new TypeError("x is not a function");
    },
  };
  await using site = await openSite({ changes: { host } });
  const { code, err } = await site.run("config", "show");
  assert.equal(code, 1);
  assert.match(err, /^vmb: x is not a function\n {2}this is a fault of vmb itself:\nTypeError: x/);
});

/** Words of every command in the tree. */
function commandPaths(): readonly (readonly string[])[] {
  const context = { system: realSystem, terminal: fakeTerminal() } as unknown as CommandContext;
  const paths: string[][] = [[]];
  type Node = { readonly commands: readonly unknown[]; name(): string };
  const walk = (node: Node, words: string[]) => {
    for (const child of node.commands as readonly Node[]) {
      const path = [...words, child.name()];
      paths.push(path);
      walk(child, path);
    }
  };
  walk(makeProgram(context) as unknown as Node, []);
  assert.ok(paths.length > 10);
  return paths;
}
