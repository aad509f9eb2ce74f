import assert from "node:assert/strict";
import {
  lastEnd,
  lastWords,
  qemuLogPath,
  readQemuLog,
  startedVersion,
} from "../../../core/libvirt/qemu_log.ts";
import { realSystem } from "../../../core/sys/system.ts";
import { temporaryFolder } from "../nbd/servers.ts";

/** The log of a domain that was started twice, as libvirt 9.0 writes it. */
const crashLog =
  `2026-11-24 20:00:00.000+0000: starting up libvirt version: 9.0.0, qemu version: 10.0.2Debian, kernel: 6.1.0, hostname: hv1
2026-11-24 21:00:00.000+0000: shutting down, reason=destroyed
2026-11-25 22:53:10.123+0000: starting up libvirt version: 9.0.0, package: 9.0.0-4 (Debian), qemu version: 7.2.22Debian 1:7.2+dfsg-7, kernel: 6.1.0, hostname: hv1
LC_ALL=C \\
/usr/bin/qemu-system-x86_64 \\
-name guest=gw-1,debug-threads=on \\
-msg timestamp=on
char device redirected to /dev/pts/0 (label charserial0)
2026-11-25T22:53:11.000000Z qemu-system-x86_64: warning: a\u001b[31mb
qemu-system-x86_64: ../../blockdev-nbd.c:62: nbd_blockdev_client_closed: Assertion \`x' failed.
2026-11-25 22:53:21.167+0000: shutting down, reason=crashed
`;

Deno.test("what libvirt and QEMU wrote into a domain's log is told apart", () => {
  assert.deepEqual(lastWords(crashLog), [
    "2026-11-25T22:53:11.000000Z qemu-system-x86_64: warning: a [31mb",
    "qemu-system-x86_64: ../../blockdev-nbd.c:62: nbd_blockdev_client_closed: Assertion `x' failed.",
  ]);
  assert.equal(startedVersion(crashLog), "7.2.22");
  assert.equal(lastEnd(crashLog), "crashed");
  assert.equal(lastWords(`${"x".repeat(5000)}\n`)[0]?.length, 303);
  assert.equal(lastWords("a\nb\nc\nd\n").join(), "b,c,d");
  assert.deepEqual([lastWords(""), startedVersion(""), lastEnd("")], [[], undefined, undefined]);
});

Deno.test("qemuLogPath is where libvirt of root, or of a person, keeps it", () => {
  const domain = { name: "gw 1", uuid: "" };
  const host = (variables: Record<string, string>) => ({
    env: (name: string) => variables[name],
  });
  for (
    const [uri, variables, expected] of [
      ["qemu:///system", {}, "/var/log/libvirt/qemu/gw 1.log"],
      ["qemu+unix:///system?socket=/run/session", {}, "/var/log/libvirt/qemu/gw 1.log"],
      ["qemu:///session", { HOME: "/home/a" }, "/home/a/.cache/libvirt/qemu/log/gw 1.log"],
      ["qemu:///session", { XDG_CACHE_HOME: "/c" }, "/c/libvirt/qemu/log/gw 1.log"],
    ] as const
  ) {
    assert.equal(qemuLogPath(host(variables), uri, domain), expected, uri);
  }
});

Deno.test("readQemuLog reads the end of a log of any size, and of none", async () => {
  await using folder = await temporaryFolder();
  const host = { ...realSystem.host, env: () => folder.path };
  const domain = { name: "-gw", uuid: "" };
  const read = () => readQemuLog({ ...realSystem, host }, "qemu:///session", domain);
  assert.equal(await read(), "");
  await Deno.mkdir(`${folder.path}/libvirt/qemu/log`, { recursive: true });
  await Deno.writeTextFile(
    `${folder.path}/libvirt/qemu/log/-gw.log`,
    `${"x".repeat(2 ** 20)}\nlast words\n`,
  );
  const text = await read();
  assert.ok(text.endsWith("\nlast words\n") && text.length === 65_536);
});
