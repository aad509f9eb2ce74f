import assert from "node:assert/strict";
import { remoteFault, sudoFault } from "../../../core/ssh/remote_fault.ts";

const host = {
  name: "hv1",
  address: "hv1.example",
  fdPort: 9102,
  ssh: { user: "backup", port: 22 },
  unpackDir: undefined,
};
const ended = (stderr: string, code = 1) => ({ argv: ["sh"] as const, code, stdout: "", stderr });

Deno.test("sudoFault knows what sudo says in the words of its versions", () => {
  const cases: readonly (readonly [said: string, message: RegExp])[] = [
    ["sudo: a password is required", /^sudo wants a password of "backup"$/],
    ["sudo: sorry, you must have a tty to run sudo", /without a terminal \(requiretty\)$/],
    [
      "sudo: a terminal is required to read the password; either use the -S option\n" +
      "sudo: a password is required",
      /^sudo wants a password of "backup"$/,
    ],
    ["backup is not in the sudoers file.", /^sudo does not let "backup" run programs as root$/],
    ["Sorry, user backup may not run sudo on hv1.", /^sudo does not let "backup"/],
    [
      "Sorry, user backup is not allowed to execute '/bin/sh' as root on hv1.",
      /^sudo does not let/,
    ],
    ["bash: line 1: sudo: command not found", /^there is no sudo$/],
    ["sh: 1: sudo: not found", /^there is no sudo$/],
    ["sudo: Command not found.", /^there is no sudo$/],
  ];
  for (const [said, message] of cases) {
    const error = sudoFault(ended(`Welcome to hv1\n${said}\n`), host);
    assert.match(error?.message ?? "", message, said);
    assert.ok(error?.hint);
  }
  assert.equal(sudoFault(ended("sudo: a password is required", 0), host), undefined);
  const root = { ...host, ssh: { user: "root", port: 22 } };
  assert.equal(sudoFault(ended("sudo: a password is required"), root), undefined);
  assert.equal(sudoFault(ended("vmb: VM is locked"), host), undefined);
});

Deno.test("remoteFault says the cause alone, and never what was run", () => {
  const cases: readonly (readonly [said: string, code: string, message: RegExp])[] = [
    [
      "mkdir: cannot create directory '/opt/vm-backup': Read-only file system",
      "push.read-only",
      /^\/opt\/vm-backup is on a file system that is read-only$/,
    ],
    [
      "sh: 22: cannot create /opt/vm-backup/.push.1.x/vm-list.yaml: No space left on device",
      "push.space",
      /^there is no room left/,
    ],
    [
      "sh: 45: /opt/vm-backup/.push.program.AbC/vmb: Permission denied",
      "push.noexec",
      /^programs in \/opt cannot be run/,
    ],
    [
      "vmb: Programs in /var/cache/vmb cannot be run: the file system is mounted noexec\n  hint: x",
      "push.noexec",
      /^programs in \/var\/cache\/vmb cannot be run: the file system is mounted noexec$/,
    ],
    ["vmb: Something else\n  hint: Do that", "push.failed", /^Something else$/],
    ["one\ntwo\n", "push.failed", /^two$/],
    ["", "push.failed", /^it ended with status 1$/],
  ];
  for (const [said, code, message] of cases) {
    const error = remoteFault(ended(said), host);
    assert.equal(error.code, code, said);
    assert.match(error.message, message);
    assert.ok(error.hint !== undefined && !error.message.includes("sh -c"));
  }
  assert.equal(remoteFault(ended("vmb: A\n  hint: Do that"), host).hint, "Do that");
});
