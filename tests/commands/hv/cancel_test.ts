import assert from "node:assert/strict";
import { openSite } from "../run.ts";

Deno.test("vmb hv cancel wants the job, and ends with 10 when nothing runs for it", async () => {
  await using site = await openSite();
  assert.equal((await site.run("hv", "cancel", "web")).code, 2);
  assert.equal((await site.run("hv", "cancel", "web", "--job-id", "0")).code, 2);
  const ended = await site.run("hv", "cancel", "web", "--job-id", "11");
  assert.equal(ended.code, 10);
  assert.match(ended.err, /No backup of "web" for job 11 runs on this hypervisor\n.*vmb hv runs/);
});

Deno.test("vmb hv runs lists nothing where nothing runs", async () => {
  await using site = await openSite();
  assert.deepEqual(await site.run("hv", "runs"), { code: 0, out: "nothing runs\n", err: "" });
  const { out } = await site.run("hv", "runs", "--json");
  assert.deepEqual(JSON.parse(out), { runs: [] });
});
