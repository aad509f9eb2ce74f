import fc from "fast-check";
import assert from "node:assert/strict";
import { readBatch } from "../../../core/libvirt/batch.ts";
import { openVirsh } from "../../../core/libvirt/virsh.ts";
import { type Argv, systemProcesses } from "../../../core/sys/process.ts";
import { temporaryFolder } from "../nbd/servers.ts";
import { testDomain, testVirsh } from "./test_driver.ts";

Deno.test("openVirsh tells a libvirt that does not answer from a domain that is not there", async () => {
  const silent = openVirsh(systemProcesses, "qemu+unix:///system?socket=/nonexistent/socket");
  await assert.rejects(silent.run(["list"]), {
    code: "libvirt.connect",
    exit: 5,
    message: /^No libvirt answers at qemu\+unix:.*: Failed to connect socket to '\/nonexistent/,
  });
  await assert.rejects(testVirsh.run(["domstate", "nosuch"]), {
    code: "libvirt.no-domain",
    exit: 10,
    message: "No such domain: failed to get domain 'nosuch'",
  });
  await assert.rejects(testVirsh.run(["nonsense"]), {
    code: "libvirt.failed",
    exit: 1,
    message: /virsh --quiet --connect test:\/\/\/default nonsense: error: unknown command/,
  });
  await assert.rejects(testVirsh.run(["backup-dumpxml", testDomain.uuid]), {
    code: "libvirt.failed",
  });
  assert.equal((await testVirsh.attempt(["domstate", "nosuch"])).code, 1);
});

Deno.test("openVirsh without the program virsh is exit code 5", async () => {
  const processes = {
    ...systemProcesses,
    run: ([program, ...words]: Argv) =>
      systemProcesses.run([program === "virsh" ? "virsh-is-not-there" : program, ...words]),
  };
  await assert.rejects(openVirsh(processes, "test:///default").run(["list"]), {
    code: "process.missing",
    exit: 5,
  });
});

Deno.test("startBatch hands every word to its command as it is", async () => {
  const words = fc.sample(
    fc.string({
      unit: fc.constantFrom(
        "a",
        " ",
        '"',
        "'",
        "\\",
        ";",
        "#",
        ",",
        "$",
        "ü",
        "🧪",
        "--",
        "\n",
        "\t",
      ),
      minLength: 1,
      maxLength: 10,
    }),
    { numRuns: 60, seed: 7 },
  ).concat([
    "plain",
    "a b",
    'say "x"',
    "back\\slash\\",
    "it's",
    "# no comment",
    "a;b",
    " ends ",
    "\\",
  ])
    .filter((word) => !word.startsWith("-"));
  const commands = words.map((word): Argv => ["echo", word]);
  const { parts, output } = await batch(commands);
  assert.equal(parts.length, commands.length);
  const printed = output.split(/\n\(Time: [\d.]+ ms\)\n\n/).slice(0, -1);
  assert.deepEqual(printed.map((text) => text.replace(/\n$/, "")), words);
  assert.ok(parts.every(({ failed, ms }) => !failed && ms !== undefined));
});

Deno.test("startBatch goes on after a command that fails", async () => {
  const { parts, code } = await batch([
    ["echo", "before"],
    ["domfsfreeze", "nosuch"],
    ["backup-begin", testDomain.uuid, "/nonexistent.xml"],
    ["echo", "after"],
  ]);
  assert.deepEqual(parts.map(({ failed }) => failed), [false, true, true, false]);
  assert.equal(parts[1]?.words, "failed to get domain 'nosuch'");
  assert.equal(parts[3]?.words, "after");
  assert.equal(code, 0);
});

Deno.test("startBatch runs nothing of a batch that virsh cannot read", async () => {
  const { parts } = await batch([["echo", "before"], ["nonsense"], ["echo", "after"]]);
  assert.deepEqual(parts.map(({ failed }) => failed), [true, true, true]);
});

Deno.test("startBatch that cannot connect fails every command", async () => {
  const silent = openVirsh(systemProcesses, "qemu+unix:///system?socket=/nonexistent/socket");
  const { parts } = await batch([["domfsfreeze", "x"], ["domfsthaw", "x"]], silent);
  assert.deepEqual(parts.map(({ failed }) => failed), [true, true]);
});

async function batch(commands: readonly Argv[], virsh = testVirsh) {
  await using folder = await temporaryFolder();
  const log = `${folder.path}/log`;
  const code = await (await virsh.startBatch(commands, log)).exited;
  const output = await Deno.readTextFile(log);
  return { parts: readBatch(commands, output), output, code };
}
