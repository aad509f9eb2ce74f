import assert from "node:assert/strict";
import { containerState } from "../../../core/deploy/containers.ts";
import { type Argv, type Completed, systemProcesses } from "../../../core/sys/process.ts";
import { fakeClock } from "../sys/fake_clock.ts";

const well = {
  stdout: '[{"State":{"Status":"running","Health":{"Status":"healthy"}},"OCIRuntime":"crun"}]',
};
const confused = { code: 125, stdout: "[]", stderr: "Error: unexpected end of JSON input" };
const missing = { code: 125, stdout: "[]", stderr: "Error: no such container vmb-web" };

/** What vmb learns where podman answers so, one after the other. */
function stateAfter(...answers: readonly Partial<Completed>[]) {
  const left = [...answers];
  const run = (argv: Argv): Promise<Completed> =>
    Promise.resolve({ argv, code: 0, stdout: "", stderr: "", ...left.shift() });
  const processes = { ...systemProcesses, run };
  return containerState({ processes, clock: fakeClock() }, "vmb-web");
}

Deno.test("containerState takes no container for missing that podman cannot tell of for a moment", async () => {
  const state = { status: "running", health: "healthy", runtime: "crun" };
  assert.deepEqual(await stateAfter(well), state);
  assert.deepEqual(await stateAfter(confused, confused, well), state);
  assert.equal(await stateAfter(missing), undefined);
  await assert.rejects(stateAfter(confused, confused, confused), /unexpected end of JSON input/);
});
