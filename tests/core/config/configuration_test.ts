import assert from "node:assert/strict";
import fc from "fast-check";
import { loadConfiguration, vmEntry } from "../../../core/config/configuration.ts";
import { settingKeys } from "../../../core/config/settings.ts";
import { ConfigError, VmbError } from "../../../core/error.ts";
import { load, problemsOf, systemWith } from "./config_folder.ts";

/** UTF-16 units of every kind, lone surrogates among them. */
const anyText = fc.array(fc.nat(0xffff), { maxLength: 40 })
  .map((units) => String.fromCharCode(...units));

const defaults = {
  hypervisorName: "hv1",
  backupRoot: "/mnt/backup",
  backupFstypes: ["nfs", "nfs4"],
  backupLocal: false,
  backupShareId: undefined,
  libvirtUri: "qemu:///system",
  imageDir: "/var/lib/libvirt/images",
  scratchDir: "/var/lib/vm-backup/scratch",
  stateDir: "/var/lib/vm-backup/state",
  logDir: "/opt/vm-backup/logs",
  minFreeBytes: 50 * 1024 ** 3,
  freezeTimeoutSeconds: 60,
  shareTimeoutSeconds: 30,
  bandwidthLimit: undefined,
  concurrentBackups: 1,
  compression: "none",
  slackFailureWebhook: undefined,
  slackSuccessWebhook: undefined,
};

Deno.test("loadConfiguration takes defaults and no VM from an empty folder", async () => {
  const configuration = await load({});
  assert.deepEqual(configuration.settings, defaults);
  assert.deepEqual(configuration.vms, []);
  assert.deepEqual(configuration.warnings, []);
  assert.deepEqual([...configuration.origins.keys()], [...settingKeys]);
  for (const origin of configuration.origins.values()) {
    assert.deepEqual(origin, { source: "default" });
  }
});

Deno.test("loadConfiguration reads every key", async () => {
  const { settings, origins, folder } = await load({
    conf: `HYPERVISOR_NAME=hv 2
BACKUP_ROOT=/srv//backup/
BACKUP_FSTYPES="ext4  xfs ext4"
BACKUP_LOCAL=yes
BACKUP_SHARE_ID=0123456789abcdef0123456789abcdef
LIBVIRT_URI=qemu+unix:///system?socket=/run/x
IMAGE_DIR=/i
SCRATCH_DIR=/s
STATE_DIR=/st
LOG_DIR='/var/log/vm backup'
MIN_FREE_GB=0
FREEZE_TIMEOUT_SECONDS=600
SHARE_TIMEOUT_SECONDS=3600
BANDWIDTH_LIMIT=1.5GiB/s
CONCURRENT_BACKUPS=2
COMPRESSION=zstd
SLACK_FAILURE_WEBHOOK=https://hooks.slack.com/services/T/B/x
SLACK_SUCCESS_WEBHOOK=http://[::1]:8080/x
`,
  });
  assert.deepEqual(settings, {
    hypervisorName: "hv 2",
    backupRoot: "/srv/backup",
    backupFstypes: ["ext4", "xfs"],
    backupLocal: true,
    backupShareId: "0123456789abcdef0123456789abcdef",
    libvirtUri: "qemu+unix:///system?socket=/run/x",
    imageDir: "/i",
    scratchDir: "/s",
    stateDir: "/st",
    logDir: "/var/log/vm backup",
    minFreeBytes: 0,
    freezeTimeoutSeconds: 600,
    shareTimeoutSeconds: 3600,
    bandwidthLimit: 1.5 * 1024 ** 3,
    concurrentBackups: 2,
    compression: "zstd",
    slackFailureWebhook: "https://hooks.slack.com/services/T/B/x",
    slackSuccessWebhook: "http://[::1]:8080/x",
  });
  const where = `${folder}/vm-backup.conf:2`;
  assert.deepEqual(origins.get("BACKUP_ROOT"), { source: "file", where });
});

Deno.test("loadConfiguration lets a flag win over a variable, that over the file", async () => {
  const conf = "BACKUP_ROOT=/file\nLOG_DIR=/file\nCOMPRESSION=zstd\nBANDWIDTH_LIMIT=1G\n";
  const { settings, origins } = await load({
    conf,
    env: {
      VMB_LOG_DIR: "/env",
      VMB_BANDWIDTH_LIMIT: "",
      VMB_COMPRESSION: "none",
      VMB_UNKNOWN: "x",
      VMB_EXE: "x",
    },
    flags: { COMPRESSION: { flag: "--compress", text: "zstd" } },
  });
  assert.equal(settings.backupRoot, "/file");
  assert.equal(settings.logDir, "/env");
  assert.equal(settings.bandwidthLimit, undefined);
  assert.equal(settings.compression, "zstd");
  assert.deepEqual(origins.get("LOG_DIR"), { source: "environment", where: "VMB_LOG_DIR" });
  assert.deepEqual(origins.get("COMPRESSION"), { source: "flag", where: "--compress" });
});

Deno.test("loadConfiguration names each problem of vm-backup.conf with its place", async () => {
  const paths = 'expected an absolute path, which starts with "/"';
  const local = "Choose a folder on a local disk";
  const webhookHint =
    "Copy the webhook URL from the settings of your Slack app, or leave it empty for none";
  const bandwidthHint =
    "Write it as 200M or 1.5G, in bytes and not in bits, or leave it empty for no limit";
  const table: readonly (readonly [string, ...string[]])[] = [
    ["BACKUP_ROTO=/x", '1:1: Unknown key "BACKUP_ROTO" | Did you mean BACKUP_ROOT?'],
    [" colour = red", `1:2: Unknown key "colour" | Known keys: ${settingKeys.join(", ")}`],
    [
      "LOG_DIR=/a\n\nLOG_DIR=/b",
      "3:1: Duplicate key LOG_DIR: already set on line 1 | Remove one of the two lines",
    ],
    [
      "BACKUP_ROOT",
      "1:1: Cannot read the line: expected KEY=value | " +
      "Start a comment with #, and write a key with letters, digits and _ only",
    ],
    [
      "export LOG_DIR=/a",
      '1:1: Cannot read the line: expected KEY=value | Remove the word "export"',
    ],
    ['LOG_DIR="/a', '1:9: Missing closing quote " | A value ends on its own line'],
    [
      "LOG_DIR='/a'b",
      "1:13: Cannot read the text after the closing quote ': expected the end of the line | " +
      "Use the other kind of quotes around a value that contains quotes",
    ],
    ["LOG_DIR=/a\u0000", "1:11: Cannot use the control character U+0000"],
    ["LOG_DIR=/a\rCOMPRESSION=zstd", "1:11: Cannot use the control character U+000d"],
    ["HYPERVISOR_NAME=a/b", '1:17: Cannot use "a/b" as HYPERVISOR_NAME: it contains "/"'],
    ["HYPERVISOR_NAME=", "1:17: Cannot use an empty HYPERVISOR_NAME: expected a name"],
    ["BACKUP_ROOT=backup", `1:13: Cannot use "backup" as BACKUP_ROOT: ${paths}`],
    ["BACKUP_ROOT=", `1:13: Cannot use an empty BACKUP_ROOT: ${paths}`],
    ["BACKUP_ROOT=$HOME", `1:13: Cannot use "$HOME" as BACKUP_ROOT: ${paths}`],
    ["BACKUP_ROOT=/", '1:13: Cannot use "/" as BACKUP_ROOT: expected a folder of its own'],
    [
      "IMAGE_DIR=/a/../b",
      '1:11: Cannot use "/a/../b" as IMAGE_DIR: expected a path without "." and ".."',
    ],
    [
      "BACKUP_FSTYPES=nfs,nfs4",
      '1:16: Cannot use "nfs,nfs4" as BACKUP_FSTYPES: expected file system types | ' +
      'Separate the types by spaces, as in "nfs nfs4"',
    ],
    [
      "BACKUP_FSTYPES= # none",
      "1:16: Cannot use an empty BACKUP_FSTYPES: expected file system types | " +
      'Separate the types by spaces, as in "nfs nfs4"',
    ],
    [
      "LIBVIRT_URI=qemu+ssh://hv2/system",
      '1:13: Cannot use "qemu+ssh://hv2/system" as LIBVIRT_URI: expected the URI of QEMU on this ' +
      "machine | Use qemu:///system",
    ],
    [
      "MIN_FREE_GB=50G",
      '1:13: Cannot use "50G" as MIN_FREE_GB: expected a whole number from 0 to 999999 | ' +
      "The unit is GiB; write the number alone",
    ],
    [
      "FREEZE_TIMEOUT_SECONDS=0",
      '1:24: Cannot use "0" as FREEZE_TIMEOUT_SECONDS: expected a whole number from 1 to 600 | ' +
      "The unit is seconds; write the number alone",
    ],
    [
      "SHARE_TIMEOUT_SECONDS = 030",
      '1:25: Cannot use "030" as SHARE_TIMEOUT_SECONDS: expected a whole number from 1 to 3600 | ' +
      "The unit is seconds; write the number alone",
    ],
    [
      "BANDWIDTH_LIMIT=200Mb",
      `1:17: Cannot use "200Mb" as BANDWIDTH_LIMIT: expected bytes per second | ${bandwidthHint}`,
    ],
    [
      'BANDWIDTH_LIMIT="200"',
      '1:17: Cannot use "200" as BANDWIDTH_LIMIT: expected 64K per second or more | ' +
      "Add K, M or G, as in 200M, or leave it empty for no limit",
    ],
    ["COMPRESSION=gzip", '1:13: Cannot use "gzip" as COMPRESSION: expected none or zstd'],
    [
      "SLACK_FAILURE_WEBHOOK=http://hooks.slack.com/T0P",
      "1:23: Cannot use the value of SLACK_FAILURE_WEBHOOK: expected an https:// URL | " +
      webhookHint,
    ],
    [
      "SLACK_SUCCESS_WEBHOOK=T0P",
      "1:23: Cannot use the value of SLACK_SUCCESS_WEBHOOK: expected an https:// URL | " +
      webhookHint,
    ],
    [
      "BACKUP_ROOT=/b\nSCRATCH_DIR=/b/s\nSTATE_DIR=/b",
      `2:13: Cannot use "/b/s" as SCRATCH_DIR: it lies inside BACKUP_ROOT "/b" | ${local}`,
      `vm-backup.conf:3:11: Cannot use "/b" as STATE_DIR: it lies inside BACKUP_ROOT "/b" | ${local}`,
    ],
    [
      "BACKUP_ROOT=/var/lib/vm-backup/state",
      '1:13: Cannot use "/var/lib/vm-backup/state" as STATE_DIR: it lies inside BACKUP_ROOT ' +
      `"/var/lib/vm-backup/state" | ${local}`,
    ],
  ];
  for (const [conf, first, ...rest] of table) {
    assert.deepEqual(await problemsOf({ conf }), [`vm-backup.conf:${first}`, ...rest]);
  }
});

Deno.test("loadConfiguration places the first byte that is not UTF-8", async () => {
  const table: readonly (readonly [readonly number[], string])[] = [
    [[0x23, 0x0a, 0x41, 0x3d, 0xc3, 0xbc, 0xff, 0x41], "2:4: Cannot read byte 0xff"],
    [[0x41, 0x3d, 0xc3], "1:3: Cannot read byte 0xc3"],
    [[0xc3, 0x28], "1:1: Cannot read byte 0xc3"],
  ];
  for (const [bytes, problem] of table) {
    assert.deepEqual(await problemsOf({ conf: Uint8Array.from(bytes) }), [
      `vm-backup.conf:${problem}: expected UTF-8 | Save the file as UTF-8`,
    ]);
  }
});

Deno.test("loadConfiguration drops a byte order mark", async () => {
  assert.equal((await load({ conf: "\ufeffLOG_DIR=/a\r\n" })).settings.logDir, "/a");
});

Deno.test("loadConfiguration reports all problems of both files and the environment together", async () => {
  const problems = await problemsOf({
    conf: "COMPRESSION=gzip\nLOG_DIR=/a\nLOGDIR=/a\nLOG_DIR=/b\n",
    list: "vms: 3\n",
    env: { VMB_MIN_FREE_GB: "lots", VMB_SLACK_FAILURE_WEBHOOK: "T0P" },
  });
  assert.deepEqual(problems.map((problem) => problem.split(/: | \|/, 2).join(": ")), [
    'vm-backup.conf:1:13: Cannot use "gzip" as COMPRESSION',
    'vm-backup.conf:3:1: Unknown key "LOGDIR"',
    "vm-backup.conf:4:1: Duplicate key LOG_DIR",
    'VMB_MIN_FREE_GB: Cannot use "lots" as MIN_FREE_GB',
    "VMB_SLACK_FAILURE_WEBHOOK: Cannot use the value of SLACK_FAILURE_WEBHOOK",
    "vm-list.yaml:1:6: Cannot use number 3 as vms",
  ]);
});

Deno.test("loadConfiguration keeps the places of problems as data", async () => {
  await assert.rejects(load({ conf: "\n COMPRESSION=gzip" }), (error) => {
    assert.ok(error instanceof ConfigError);
    const [{ source, ...rest } = { source: "" }] = error.problems;
    assert.match(source, /\/vm-backup\.conf$/);
    const message = 'Cannot use "gzip" as COMPRESSION: expected none or zstd';
    assert.deepEqual(rest, { line: 2, column: 14, message, hint: undefined });
    return true;
  });
});

Deno.test("loadConfiguration blames a flag as usage", async () => {
  const flags = { BANDWIDTH_LIMIT: { flag: "--bwlimit", text: "fast" } };
  await assert.rejects(load({ conf: "COMPRESSION=gzip", flags }), (error) => {
    assert.ok(error instanceof VmbError);
    assert.deepEqual([error.code, error.exit], ["usage.setting", 2]);
    assert.equal(
      error.message,
      '--bwlimit: Cannot use "fast" as BANDWIDTH_LIMIT: expected bytes per second',
    );
    return true;
  });
});

Deno.test("loadConfiguration blames the name of the machine when it cannot be a folder", async () => {
  assert.deepEqual(await problemsOf({ hostName: "metadata.lab" }), [
    'HYPERVISOR_NAME: Cannot use "metadata" as HYPERVISOR_NAME: the share uses that name for its ' +
    "catalog | Set HYPERVISOR_NAME in vm-backup.conf",
  ]);
  const { settings } = await load({ hostName: "metadata", conf: "HYPERVISOR_NAME=x" });
  assert.equal(settings.hypervisorName, "x");
});

Deno.test("loadConfiguration refuses a VMB_CONFIG_DIR that is no folder", async () => {
  const hint = " | Make the folder, or unset VMB_CONFIG_DIR to use /opt/vm-backup/config";
  const table: readonly (readonly [string, string])[] = [
    ["/no/such", "no such folder"],
    ["/etc/passwd", "expected a folder"],
    ["relative", "expected an absolute path"],
  ];
  for (const [folder, reason] of table) {
    assert.deepEqual(await problemsOf({ env: { VMB_CONFIG_DIR: folder } }), [
      `VMB_CONFIG_DIR: Cannot use "${folder}" as folder of the configuration: ${reason}${hint}`,
    ]);
  }
});

Deno.test("loadConfiguration reads /opt/vm-backup/config when VMB_CONFIG_DIR is empty or unset", async () => {
  const read: string[] = [];
  for (const env of [{}, { VMB_CONFIG_DIR: "" }] as Record<string, string>[]) {
    const { host, files } = systemWith(env);
    const inspectTarget = (path: string) => {
      read.push(path);
      return Promise.resolve(undefined);
    };
    const { folder } = await loadConfiguration({ host, files: { ...files, inspectTarget } });
    assert.equal(folder, "/opt/vm-backup/config");
  }
  const paths = ["/opt/vm-backup/config/vm-backup.conf", "/opt/vm-backup/config/vm-list.yaml"];
  assert.deepEqual(read, [...paths, ...paths]);
});

Deno.test("loadConfiguration refuses a file that is a folder, and one that is too large", async () => {
  assert.deepEqual(
    await problemsOf({ prepare: (folder) => Deno.mkdir(`${folder}/vm-list.yaml`) }),
    [
      "vm-list.yaml: Cannot read a directory: expected a file",
    ],
  );
  assert.deepEqual(await problemsOf({ conf: "#".repeat(300 * 1024) }), [
    "vm-backup.conf: Cannot read 300 KiB: expected at most 256 KiB",
  ]);
});

Deno.test("loadConfiguration says who may read a file that we may not", async () => {
  const { files, host } = systemWith({ VMB_CONFIG_DIR: "/etc" });
  const read = () => Promise.reject(Object.assign(new Error("denied"), { code: "EACCES" }));
  const inspectTarget = () => files.inspectTarget("/etc/passwd");
  const config = { VMB_CONFIG_DIR: "" };
  await assert.rejects(
    loadConfiguration({
      files: { ...files, read, inspectTarget },
      host: { ...host, env: (name) => config[name as keyof typeof config] },
    }),
    { code: "config.unreadable", exit: 5, message: /^Cannot read ".*": permission denied$/ },
  );
});

Deno.test("loadConfiguration refuses a SCRATCH_DIR in which no socket has room", async () => {
  const path = (bytes: number) => `/${"ü".repeat((bytes - 1) / 2)}`;
  assert.equal((await load({ conf: `SCRATCH_DIR=${path(57)}\n` })).settings.scratchDir, path(57));
  // The longest path of a socket that any run makes: 107 bytes are allowed (unix(7)).
  const run = "vmb-restore-2026-11-21-120000-4194304";
  const bytes = new TextEncoder().encode(`${path(57)}/${run}/backup.sock`).length;
  assert.equal(bytes, 107);
  assert.deepEqual(await problemsOf({ conf: `SCRATCH_DIR=${path(59)}\n` }), [
    `vm-backup.conf:1:13: Cannot use "${
      path(59)
    }" as SCRATCH_DIR: 59 bytes leave no room for the ` +
    "sockets in it | Choose a path of at most 57 bytes",
  ]);
});

Deno.test("loadConfiguration warns when others can read a webhook", async () => {
  const conf = "SLACK_FAILURE_WEBHOOK=https://hooks.slack.com/x\n";
  const chmod = (name: string, mode: number) => (folder: string) =>
    Deno.chmod(`${folder}/${name}`, mode);
  const cases = [
    [{ conf, prepare: chmod("vm-backup.conf", 0o640) }, undefined],
    [{ conf: "SLACK_FAILURE_WEBHOOK=", prepare: chmod("vm-backup.conf", 0o644) }, undefined],
    [
      { conf, prepare: chmod("vm-backup.conf", 0o644) },
      "vm-backup.conf has a Slack webhook and can be read by every user (mode 0644): run chmod o-r on it",
    ],
  ] as const;
  for (const [setup, warning] of cases) {
    const { warnings, folder } = await load(setup);
    assert.deepEqual(warnings, warning === undefined ? [] : [`${folder}/${warning}`]);
  }
});

Deno.test("loadConfiguration refuses files that others could change", async () => {
  const chmod = (name: string, mode: number) => (folder: string) => Deno.chmod(folder + name, mode);
  const table: readonly (readonly [(folder: string) => Promise<void>, RegExp])[] = [
    [
      chmod("/vm-backup.conf", 0o660),
      /^vm-backup\.conf: Cannot trust this file: "vm-backup\.conf" can be written by others \(mode 0660\) \| Run: chmod go-w .*vm-backup\.conf$/,
    ],
    [chmod("/vm-list.yaml", 0o646), /^vm-list\.yaml: Cannot trust this file: .*\(mode 0646\)/],
    // Of the folder it is said once, and not of both files.
    [chmod("", 0o777), /^vm-backup\.conf: Cannot trust this file: "[^"]*" can be written/],
  ];
  for (const [prepare, expected] of table) {
    const problems = await problemsOf({ conf: "", list: "vms:", prepare });
    assert.equal(problems.length, 1);
    assert.match(problems[0] ?? "", expected);
  }
  if (Deno.uid() !== 0) return;
  const prepare = (folder: string) => Deno.chown(`${folder}/vm-backup.conf`, 4711, 0);
  const [problem] = await problemsOf({ conf: "", prepare });
  assert.match(problem ?? "", /belongs to user 4711, and not to root \| Run: chown root: /);
});

Deno.test("loadConfiguration refuses programs that others could change", async () => {
  const folder = await Deno.makeTempDir();
  const script = `${folder}/save.sh`;
  try {
    await Deno.writeTextFile(script, "#!/bin/sh\n", { mode: 0o755 });
    await Deno.writeTextFile(`${folder}/data`, "");
    await Deno.chmod(`${folder}/data`, 0o666);
    const entry = (command: readonly string[], more = {}) =>
      JSON.stringify({
        vms: [{ name: "a", hypervisor: "hv1", pre_backup_commands: [command], ...more }],
      });
    const env = { PATH: `${folder}:/usr/bin:/bin` };
    assert.equal((await load({ list: entry([script]), env })).vms.length, 1);
    assert.equal((await load({ list: entry(["cat", `${folder}/data`]), env })).vms.length, 1);
    assert.equal((await load({ list: entry(["no-such-program"]), env })).vms.length, 1);
    await Deno.chmod(script, 0o775);
    const capture = (command: readonly string[]) =>
      entry(["true"], { config_capture: [{ file: "x.txt", command }] });
    const lists = [
      entry([script]),
      entry(["save.sh"]),
      entry(["sh", "-e", script]),
      entry(["timeout", "5", script]),
      capture([script]),
      entry(["bash", `${folder}/data`]),
      entry(["./save.sh"]),
    ];
    for (const list of lists) {
      const problems = await problemsOf({ list, env });
      assert.equal(problems.length, 1, list);
      assert.match(problems[0] ?? "", /^vm-list\.yaml: Cannot run "[^"]+" for "a": .* \| /, list);
    }
    // What another hypervisor runs is checked there.
    const elsewhere = entry([script], { hypervisor: "hv2" });
    assert.equal((await load({ list: elsewhere, env })).vms.length, 1);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("loadConfiguration never crashes on the text of either file", async () => {
  const conf = fc.oneof(
    anyText,
    fc.array(
      fc.tuple(fc.constantFrom(...settingKeys), fc.string()).map(([key, value]) =>
        `${key}=${value}`
      ),
    ).map((lines) => lines.join("\n")),
  );
  const pieces = [
    "vms:",
    "\n",
    "  ",
    "- ",
    "name: a",
    "hypervisor: ",
    "[",
    "]",
    "{",
    "}",
    "&a ",
    "*a",
    "<<: ",
    '"',
    "'",
    "\t",
    "#",
    "!!x ",
    "? ",
    ": ",
    ",",
    "|",
    ">",
    "---",
    "1",
    "~",
  ];
  const list = fc.oneof(
    anyText,
    fc.array(fc.constantFrom(...pieces), { maxLength: 30 }).map((parts) => parts.join("")),
  );
  await fc.assert(
    fc.asyncProperty(conf, list, async (confText, listText) => {
      try {
        await load({ conf: confText, list: listText });
      } catch (error) {
        assert.ok(error instanceof ConfigError, String(error));
        assert.ok(error.problems.length > 0);
        for (const { message, line } of error.problems) {
          assert.match(message, /^[A-Z][^\n]*[^.\n]$/);
          assert.ok(line === undefined || line >= 1);
        }
      }
    }),
    { numRuns: 300 },
  );
});

Deno.test("vmEntry gives the listed entry, or the defaults for another VM", async () => {
  const configuration = await load({ list: "vms: [{ name: a, hypervisor: hv7, priority: 3 }]" });
  const listed = vmEntry(configuration, "a");
  assert.deepEqual([listed.listed, listed.hypervisor, listed.priority], [true, "hv7", 3]);
  assert.deepEqual(vmEntry(configuration, "b"), {
    name: "b",
    listed: false,
    hypervisor: "hv1",
    method: "auto",
    priority: 100,
    schedule: "weekly",
    retentionWeeks: 4,
    agent: "fail",
    allowBackingChain: false,
    disks: { include: undefined, exclude: [] },
    preBackupCommands: [],
    guestHooks: { beforeFreeze: undefined, afterThaw: undefined },
    configCapture: [],
    validate: [],
  });
});
