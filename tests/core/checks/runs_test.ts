import assert from "node:assert/strict";
import { type Check, failed, passed, runChecks } from "../../../core/checks/check.ts";
import { withRuns } from "../../../core/checks/runs.ts";
import type { RunState } from "../../../core/journal/run_states.ts";

const checks: readonly Check[] = [
  {
    name: "no-block-jobs",
    run: () => failed("a block job runs on vda", "End it: virsh blockjob x vda --abort"),
  },
  { name: "no-overlays", run: () => passed("every disk is a single image") },
  { name: "share-mounted", run: () => failed("it is not mounted") },
];

async function outcomes(states: readonly RunState[]) {
  const results = await runChecks(withRuns(checks, states, "web"), () => {});
  return results.map(({ outcome }) => outcome).join(" ");
}

Deno.test("withRuns names a killed run and its cure, and not what it left as somebody's doing", async () => {
  const other: RunState = { run: "vmb-0", vm: "db", state: "killed" };
  const kept: RunState = { run: "vmb-test-1", vm: "web", state: "kept" };
  assert.equal(await outcomes([]), "ok failed ok failed");
  assert.equal(await outcomes([other, kept]), "ok failed ok failed");
  const killed: RunState = { run: "vmb-2", vm: "web", state: "killed" };
  assert.equal(await outcomes([other, killed]), "failed skipped ok failed");
  const alive: RunState = { run: "vmb-3", vm: "web", state: "alive" };
  assert.equal(await outcomes([alive]), "failed skipped ok failed");

  const [first, second] = await runChecks(withRuns(checks, [killed], "web"), () => {});
  assert.deepEqual([first?.name, first?.hint], ["runs", "Run: vmb hv recover"]);
  assert.match(first?.detail ?? "", /^run vmb-2 of "web" was killed/);
  assert.deepEqual([second?.hint, second?.detail], [
    undefined,
    "a block job runs on vda; runs says why",
  ]);
});
