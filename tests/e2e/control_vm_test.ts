import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { setUp, type Timed } from "../lab/control_life.ts";
import { makeShare, openControlVm } from "../lab/control_vm.ts";

/**
 * The beginning of what `deno task lab:ctl` does; all of it takes longer than all other tests together.
 *
 * Skipped unless it is asked for: after quadlets, push and the File Daemon's launcher were changed, it was seen up
 * to the end of check only, and not jobs and the search for secrets, for want of time. Whoever has seen the rest takes this out.
 */
Deno.test({
  name: "a control VM is deployed from nothing, and its job backs up a VM",
  ignore: Deno.env.get("VMB_TEST_CONTROL_VM") !== "yes",
  fn: deployed,
});

async function deployed(t: Deno.TestContext): Promise<void> {
  const vmb = Deno.env.get("VMB_BIN") ?? fileURLToPath(new URL("../../dist/vmb", import.meta.url));
  assert.ok(await Deno.stat(vmb).catch(() => undefined), "build it first: deno task build");
  await using share = await makeShare();
  await using vm = await openControlVm({ vmb, share: share.path });
  const timed: Timed = async (what, work) => {
    assert.ok(await t.step(what, async () => void await work()), what);
  };
  await setUp(vm, timed);
}
