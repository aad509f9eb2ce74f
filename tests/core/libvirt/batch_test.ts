import assert from "node:assert/strict";
import { readBatch } from "../../../core/libvirt/batch.ts";
import type { Argv } from "../../../core/sys/process.ts";

const commands: readonly Argv[] = [["first"], ["second", "x"], ["third"]];

Deno.test("readBatch judges each command by its own words", () => {
  const output = `Froze 2 filesystem(s)

(Time: 41.250 ms)

error: operation failed: domain is not running
error: and more

(Time: 0.160 ms)


(Time: 7 ms)

`;
  assert.deepEqual(readBatch(commands, output), [
    { command: ["first"], ms: 41.25, failed: false, words: "Froze 2 filesystem(s)" },
    {
      command: ["second", "x"],
      ms: 0.16,
      failed: true,
      words: "operation failed: domain is not running; and more",
    },
    { command: ["third"], ms: 7, failed: false, words: "" },
  ]);
});

Deno.test("readBatch holds every command for failed that virsh did not finish", () => {
  const table: readonly [string, readonly boolean[]][] = [
    ["", [true, true, true]],
    ["Froze 1 filesystem(s)\n", [true, true, true]],
    ["\n(Time: 1.0 ms)\n\n", [false, true, true]],
    ["\n(Time: 1.0 ms)\n\n\n(Time: 2.0 ms)\n\nhalf a wo", [false, false, true]],
    ["\n(Time: 1.0 ms)\n\n\n(Time: 2.0 m", [false, true, true]],
    ["error: failed to connect to the hypervisor\n", [true, true, true]],
    ["\n(Time: 1.0 ms)\n\n\n(Time: 2.0 ms)\n\n\n(Time: 3.0 ms)\n\n", [false, false, false]],
    ["it said error: in the middle\n(Time: 1.0 ms)\n", [false, true, true]],
  ];
  for (const [output, failed] of table) {
    assert.deepEqual(readBatch(commands, output).map((part) => part.failed), failed, output);
  }
  assert.equal(readBatch(commands, "half")[0]?.ms, undefined);
});
