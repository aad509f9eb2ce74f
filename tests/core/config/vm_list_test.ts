import assert from "node:assert/strict";
import { load, problemsOf } from "./config_folder.ts";

Deno.test("loadConfiguration reads every key of vm-list.yaml", async () => {
  const { vms } = await load({
    list: `
vms:
  - name: "prod db \\"01\\" ü"
    hypervisor: hv1
    method: quiesce
    priority: 10
    schedule: biweekly
    retention_weeks: 520
    agent: fallback
    allow_backing_chain: true
    disks: { include: [vda, sdb] }
    pre_backup_commands:
      - [ssh, admin@asav1, "write memory"]
      - { command: ["true"], timeout_seconds: 5 }
    guest_hooks:
      before_freeze: [/usr/local/sbin/db-hold, now]
      after_thaw: { command: [/usr/local/sbin/db-go-on], timeout_seconds: 30 }
    config_capture:
      - { file: running-config.txt, command: [ssh, admin@asav1, "show running-config"] }
      - { file: b.txt, command: [b], timeout_seconds: 3600 }
    validate:
      - { command: [pg_isready], exit: 1, output: "^ok$", timeout_seconds: 5 }
      - { command: ["true"] }
      - { tcp: 22 }
      - { console: "login:" }
`,
  });
  assert.deepEqual(vms, [{
    name: 'prod db "01" ü',
    listed: true,
    hypervisor: "hv1",
    method: "quiesce",
    priority: 10,
    schedule: "biweekly",
    retentionWeeks: 520,
    agent: "fallback",
    allowBackingChain: true,
    disks: { include: ["vda", "sdb"], exclude: [] },
    preBackupCommands: [
      { argv: ["ssh", "admin@asav1", "write memory"], timeoutSeconds: 60 },
      { argv: ["true"], timeoutSeconds: 5 },
    ],
    guestHooks: {
      beforeFreeze: { argv: ["/usr/local/sbin/db-hold", "now"], timeoutSeconds: 60 },
      afterThaw: { argv: ["/usr/local/sbin/db-go-on"], timeoutSeconds: 30 },
    },
    configCapture: [
      {
        file: "running-config.txt",
        argv: ["ssh", "admin@asav1", "show running-config"],
        timeoutSeconds: 60,
      },
      { file: "b.txt", argv: ["b"], timeoutSeconds: 3600 },
    ],
    validate: [
      { kind: "command", argv: ["pg_isready"], exit: 1, output: "^ok$", timeoutSeconds: 5 },
      { kind: "command", argv: ["true"], exit: 0, output: undefined, timeoutSeconds: 60 },
      { kind: "tcp", port: 22, timeoutSeconds: 60 },
      { kind: "console", pattern: "login:", timeoutSeconds: 60 },
    ],
  }]);
});

Deno.test("loadConfiguration takes an empty list, and lists whose items are comments", async () => {
  for (const list of ["", "# nothing", "---\n", "{}", "vms:", "vms: []", "vms:\n  # - name: a\n"]) {
    assert.deepEqual((await load({ list })).vms, []);
  }
  const list =
    "vms:\n- name: a\n  hypervisor: b\n  disks:\n  config_capture:\n  pre_backup_commands:\n";
  const { vms: [vm] } = await load({ list });
  assert.deepEqual([vm?.disks.include, vm?.configCapture, vm?.preBackupCommands], [
    undefined,
    [],
    [],
  ]);
});

Deno.test("loadConfiguration follows aliases and merge keys, however many VMs use them", async () => {
  const others = Array.from({ length: 500 }, (_, index) => `  - { <<: *base, name: vm${index} }`);
  const { vms } = await load({
    list:
      `vms:\n  - &base { name: a, hypervisor: hv1, priority: 7, disks: &d { exclude: [vdb] } }\n` +
      `  - { name: b, hypervisor: hv1, disks: *d }\n${others.join("\n")}`,
  });
  assert.equal(vms.length, 502);
  assert.deepEqual(vms[1]?.disks.exclude, ["vdb"]);
  assert.deepEqual([vms[501]?.name, vms[501]?.priority], ["vm499", 7]);
});

const asList = 'Write it as a list, one item for each word: [ssh, admin@asav1, "write memory"]';
const vmKeys =
  "name, hypervisor, method, priority, schedule, retention_weeks, agent, allow_backing_chain, disks, " +
  "pre_backup_commands, guest_hooks, config_capture, validate";
const target = "A target is what libvirt calls the disk in the VM: virsh domblklist VM";

/** A list of one VM, with `lines` from line 4 on. */
function vmWith(...lines: readonly string[]): string {
  return ["vms:", "  - name: a", "    hypervisor: b", ...lines.map((line) => `    ${line}`)].join(
    "\n",
  );
}

Deno.test("loadConfiguration names each problem of vm-list.yaml with its place", async () => {
  const table: readonly (readonly [string, ...string[]])[] = [
    ["- a", "1:1: Cannot use a list as the whole file: expected a mapping | Known keys: vms"],
    ["text", "1:1: Cannot use a text as the whole file: expected a mapping | Known keys: vms"],
    [
      "vms: [{ nam: a, name: 1, hypervisor: b, disk: 2 }]",
      `1:9: Unknown key "nam" | Did you mean "name"?`,
      "vm-list.yaml:1:23: Cannot use number 1 as name: expected text | Put it in quotes",
      'vm-list.yaml:1:41: Unknown key "disk" | Did you mean "disks"?',
    ],
    ["vsm: []", '1:1: Unknown key "vsm" | Did you mean "vms"?'],
    ["__proto__: 1", '1:1: Unknown key "__proto__" | Known keys: vms'],
    ["vms: {}", "1:6: Cannot use a mapping as vms: expected a list of VMs"],
    [
      "vms:\n  - asav1",
      `2:5: Cannot use a text as item 1 of vms: expected a mapping | Known keys: ${vmKeys}`,
    ],
    [
      "vms:\n  -",
      `2:4: Cannot use an empty value as item 1 of vms: expected a mapping | Known keys: ${vmKeys}`,
    ],
    ["vms:\n  - name: a", '2:5: Missing key "hypervisor"'],
    ["vms:\n  - hypervisor: b", '2:5: Missing key "name"'],
    [
      "vms: [{ name: a, hypervisor: b },\n  { name: c, hypervisor: b },\n  { name: a, hypervisor: d }]",
      '3:11: Duplicate VM "a": already listed on line 1 | Keep one',
    ],
    [
      "vms: [{ name: ../x, hypervisor: metadata }]",
      '1:15: Cannot use "../x" as name: it starts with "."',
      'vm-list.yaml:1:33: Cannot use "metadata" as hypervisor: the share uses that name for its catalog',
    ],
    [
      "vms: [{ name: 101, hypervisor: true }]",
      "1:15: Cannot use number 101 as name: expected text | Put it in quotes",
      "vm-list.yaml:1:32: Cannot use boolean true as hypervisor: expected text | Put it in quotes",
    ],
    [vmWith("prioritty: 1"), '4:5: Unknown key "prioritty" | Did you mean "priority"?'],
    [vmWith("colour: 1"), `4:5: Unknown key "colour" | Known keys: ${vmKeys}`],
    [
      vmWith("method: quick"),
      '4:13: Cannot use "quick" as method: expected auto, quiesce, snapshot or offline',
    ],
    [
      vmWith("method:"),
      "4:12: Cannot use an empty value as method: expected auto, quiesce, snapshot or offline",
    ],
    [
      vmWith('priority: "10"'),
      '4:15: Cannot use "10" as priority: expected a whole number from 1 to 9999 | Remove the quotes',
    ],
    [
      vmWith("priority: 0"),
      "4:15: Cannot use number 0 as priority: expected a whole number from 1 to 9999",
    ],
    [
      vmWith("priority: 1.5"),
      "4:15: Cannot use number 1.5 as priority: expected a whole number from 1 to 9999",
    ],
    [
      vmWith("priority: .nan"),
      "4:15: Cannot use number NaN as priority: expected a whole number from 1 to 9999",
    ],
    [
      vmWith("retention_weeks: 521"),
      "4:22: Cannot use number 521 as retention_weeks: expected a whole number from 1 to 520",
    ],
    [
      vmWith("schedule: daily"),
      '4:15: Cannot use "daily" as schedule: expected weekly, biweekly, monthly or manual',
    ],
    [vmWith("agent: ignore"), '4:12: Cannot use "ignore" as agent: expected fail or fallback'],
    [
      vmWith("allow_backing_chain: yes"),
      '4:26: Cannot use "yes" as allow_backing_chain: expected true or false',
    ],
    [
      vmWith("disks: [vda]"),
      "4:12: Cannot use a list as disks: expected a mapping | Known keys: include, exclude",
    ],
    [
      vmWith("disks: { include: vda }"),
      `4:23: Cannot use a text as include: expected a list of disk targets, as [vda] | ${target}`,
    ],
    [
      vmWith("disks: { include: [] }"),
      "4:23: Cannot use an empty list as include: expected at least one disk target | Remove the line to mean all disks",
    ],
    [
      vmWith("disks: { exclude: [1, /dev/vda] }"),
      `4:24: Cannot use number 1 as item 1 of exclude: expected a disk target, as vda | ${target}`,
      `vm-list.yaml:4:27: Cannot use "/dev/vda" as item 2 of exclude: expected a disk target, as vda | ${target}`,
    ],
    [
      vmWith("disks:", "  include: [vda, vdb]", "  exclude: [vdb]"),
      '6:17: Cannot exclude disk "vdb": it is included too | List a disk under include or under exclude',
    ],
    [
      vmWith("pre_backup_commands: ssh x"),
      "4:26: Cannot use a text as pre_backup_commands: expected a list of commands",
    ],
    [
      vmWith("pre_backup_commands: [ssh, x]"),
      `4:27: Cannot use a text as item 1 of pre_backup_commands: expected a list of a program and its arguments | ${asList}`,
      `vm-list.yaml:4:32: Cannot use a text as item 2 of pre_backup_commands: expected a list of a program and its arguments | ${asList}`,
    ],
    [
      vmWith("pre_backup_commands:", "  - []"),
      `5:9: Cannot use an empty list as item 1 of pre_backup_commands: expected a program | ${asList}`,
    ],
    [
      vmWith("pre_backup_commands:", "  - [ping, -c, 1]"),
      "5:20: Cannot use number 1 as item 3 of item 1 of pre_backup_commands: expected text | Put it in quotes",
    ],
    [
      vmWith("pre_backup_commands:", '  - [""]'),
      "5:9: Cannot use a list as item 1 of pre_backup_commands: expected the name of a program first",
    ],
    [
      vmWith("pre_backup_commands:", '  - [a, "\\0"]'),
      '5:13: Cannot use "\\u0000" as item 2 of item 1 of pre_backup_commands: it contains a NUL character',
    ],
    [
      vmWith("pre_backup_commands:", "  - { command: ssh x, timeout: 1 }"),
      `5:20: Cannot use a text as command: expected a list of a program and its arguments | ${asList}`,
      'vm-list.yaml:5:27: Unknown key "timeout" | Known keys: command, timeout_seconds',
    ],
    [
      vmWith("pre_backup_commands:", "  - { command: [x], timeout_seconds: 0 }"),
      "5:42: Cannot use number 0 as timeout_seconds: expected a whole number from 1 to 3600",
    ],
    [
      vmWith("pre_backup_commands:", "  - { timeout_second: 1 }"),
      '5:9: Missing key "command" | ' + asList,
      'vm-list.yaml:5:11: Unknown key "timeout_second" | Did you mean "timeout_seconds"?',
    ],
    [
      vmWith("config_capture:", "  - { file: a/b, command: cat x }"),
      '5:17: Cannot use "a/b" as file: it contains "/"',
      `vm-list.yaml:5:31: Cannot use a text as command: expected a list of a program and its arguments | ${asList}`,
    ],
    [
      vmWith("config_capture:", "  - { file: x, command: [a] }", "  - { file: x, command: [b] }"),
      '6:17: Duplicate file "x": already written by the capture on line 5 | Give each capture a file of its own',
    ],
    [
      vmWith("validate:", "  - { tcp: 22, console: x }", "  - { tcp: 22, exit: 1 }"),
      "5:9: Cannot use a mapping as item 1 of validate: expected one of command, tcp and console",
      "vm-list.yaml:6:9: Cannot use a mapping as item 2 of validate: expected exit and output only beside a command",
    ],
    [
      vmWith("validate:", "  - { tcp: 0 }"),
      "5:16: Cannot use number 0 as tcp: expected a whole number from 1 to 65535",
    ],
    [
      vmWith("validate:", '  - { console: "(" }'),
      '5:20: Cannot use "(" as console: Invalid regular expression: /(/m: Unterminated group | See JavaScript\'s RegExp',
    ],
    [
      "vms:\n  - &a { name: a, hypervisor: b, method: quick }\n  - { <<: *a, name: c }",
      '2:42: Cannot use "quick" as method: expected auto, quiesce, snapshot or offline',
    ],
  ];
  for (const [list, first, ...rest] of table) {
    assert.deepEqual(await problemsOf({ list }), [`vm-list.yaml:${first}`, ...rest], list);
  }
});

Deno.test("loadConfiguration places errors of YAML itself", async () => {
  const table: readonly (readonly [string, string])[] = [
    ["vms:\n\t- name: a", "2:1: Cannot use a tab as indentation | Indent with spaces"],
    [
      vmWith("priority: 1", "'priority': 2"),
      '5:5: Duplicate key "priority" | Remove one of the two, or start a new list item with -',
    ],
    ["vms: []\n---\nvms: []", "2:1: Cannot use a second document | Remove the line ---"],
    [
      "vms:\n  - name: a: b",
      '2:11: Cannot read a second ":" on one line | Put a value that contains ": " in quotes, and ' +
      "each key on a line of its own",
    ],
    ["vms: @x", '1:6: Cannot start a value with "@" | Put the value in quotes'],
    ['vms: "x', '1:8: Cannot read the YAML: Missing closing "quote'],
    [
      "vms: !!python/object x",
      "1:6: Cannot read the YAML: Unresolved tag: tag:yaml.org,2002:python/object",
    ],
    [
      "vms: *x",
      '1:6: Unknown alias "*x" | Set the anchor &x before it, or put the value in quotes',
    ],
  ];
  for (const [list, problem] of table) {
    assert.deepEqual(await problemsOf({ list }), [`vm-list.yaml:${problem}`], list);
  }
});

Deno.test("loadConfiguration is not drowned by aliases or by nesting", async () => {
  const laughs = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"];
  for (let level = 1; level < 12; level++) {
    laughs.push(`a${level}: &a${level} [${Array(10).fill(`*a${level - 1}`).join(", ")}]`);
  }
  const endless =
    "vm-list.yaml:1:1: Cannot expand the document: aliases or nesting without end | " +
    "Write the values out instead of using aliases (*name)";
  assert.deepEqual(await problemsOf({ list: `${laughs.join("\n")}\nvms: *a11` }), [endless]);
  assert.deepEqual(await problemsOf({ list: "vms: &a [{ <<: *a }]" }), [endless]);
  const [deep] = await problemsOf({ list: "[".repeat(100_000) });
  assert.match(deep ?? "", /^vm-list\.yaml:1:\d+: Cannot read values nested so deep$/);
});
