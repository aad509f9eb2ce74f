import assert from "node:assert/strict";
import { type CheckResult, failed, passed } from "../../../core/checks/check.ts";
import { alert } from "../../../core/deploy/alert.ts";
import { systemFiles } from "../../../core/sys/files.ts";
import { systemNetwork } from "../../../core/sys/network.ts";
import { temporaryFolder } from "../nbd/servers.ts";
import { fakeClock } from "../sys/fake_clock.ts";

const down: CheckResult = { name: "catalog", ...failed("no answer <x>", "Run: vmb ctl fix") };
const well: CheckResult = { name: "catalog", ...passed("version 1026") };
const other: CheckResult = { name: "disk", ...failed("full") };

Deno.test("alert tells what is news: a fault once, again a day later, another at once, and its end", async () => {
  await using folder = await temporaryFolder();
  const clock = fakeClock();
  const sent: string[] = [];
  let status = 200;
  const network = {
    ...systemNetwork,
    postJson(_url: string, body: unknown) {
      if (status === 200) sent.push((body as { readonly text: string }).text);
      return Promise.resolve({ status, body: "", retryAfter: undefined });
    },
  };
  const tell = (...results: readonly CheckResult[]) =>
    alert({ clock, files: systemFiles, network }, results, {
      ...{ site: "Lab & co", webhook: "https://hooks.example/x", report: () => {} },
      state: `${folder.path}/state`,
    });
  const hour = 3_600_000;

  assert.equal(await tell(well), false);
  // A message that Slack did not take is sent by the next check.
  status = 400;
  assert.equal(await tell(down), false);
  status = 200;
  assert.equal(await tell(down), true);
  assert.equal(await tell(down), false);
  clock.advance(23 * hour);
  assert.equal(await tell(down), false);
  clock.advance(2 * hour);
  assert.equal(await tell(down), true);
  assert.equal(await tell(down, other), true);
  assert.equal(await tell(well), true);
  assert.equal(await tell(well), false);
  assert.deepEqual(sent, [
    "Backups of Lab &amp; co: 1 check fails: catalog",
    "Backups of Lab &amp; co: 1 check fails: catalog",
    "Backups of Lab &amp; co: 2 checks fail: catalog, disk",
    "Backups of Lab &amp; co: all checks pass again",
  ]);
});
