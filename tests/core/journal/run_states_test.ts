import assert from "node:assert/strict";
import { beginJournal } from "../../../core/journal/journal.ts";
import { runStates } from "../../../core/journal/run_states.ts";
import { systemFiles } from "../../../core/sys/files.ts";
import { temporaryFolder } from "../nbd/servers.ts";

Deno.test("runStates tells runs that live from killed ones and from those that kept a copy", async () => {
  await using folder = await temporaryFolder();
  const state = folder.path;
  assert.deepEqual(await runStates(systemFiles, state), []);
  const begin = (run: string, vm: string) =>
    beginJournal(systemFiles, state, {
      ...{ step: "begin", run, vm, uuid: "u", uri: "qemu:///system", pid: 1, time: "" },
      scratchFolder: `${state}/s`,
      stagingFolder: `${state}/t`,
    });
  const alive = await begin("vmb-1", "web");
  const killed = await begin("vmb-2", "db");
  await killed.abandon();
  const kept = await begin("vmb-test-3", "gw");
  await kept.write({ step: "test-domain", uuid: "x", name: "y" });
  await kept.write({ step: "kept" });
  await kept.abandon();
  await Deno.writeTextFile(`${state}/journal/vmb-4.jsonl`, '{"step":"of a newer vmb"}\n');
  // A line that is being written does not hide whose run it is.
  await Deno.writeTextFile(`${state}/journal/vmb-1.jsonl`, '{"step":"fre', { append: true });
  const expected = [
    { run: "vmb-1", vm: "web", state: "alive" },
    { run: "vmb-2", vm: "db", state: "killed" },
    { run: "vmb-4", vm: "", state: "killed" },
    { run: "vmb-test-3", vm: "gw", state: "kept" },
  ];
  assert.deepEqual(await runStates(systemFiles, state), expected);
  // Looking changes nothing.
  assert.deepEqual(await runStates(systemFiles, state), expected);
  await alive.end();
  assert.equal((await runStates(systemFiles, state)).length, 3);
});
