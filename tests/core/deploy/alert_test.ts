import assert from "node:assert/strict";
import { type CheckResult, failed, passed } from "../../../core/checks/check.ts";
import { alert, alertNotRun } from "../../../core/deploy/alert.ts";
import { ConfigError } from "../../../core/error.ts";
import type { Event } from "../../../core/event.ts";
import { systemFiles } from "../../../core/sys/files.ts";
import { systemHost } from "../../../core/sys/host.ts";
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

Deno.test("alertNotRun tells once that nothing is checked, by the webhook of secrets.conf alone", async () => {
  await using folder = await temporaryFolder();
  const clock = fakeClock();
  const sent: { url: string; text: string }[] = [];
  const events: Event[] = [];
  const network = {
    ...systemNetwork,
    postJson(url: string, body: unknown) {
      sent.push({ url, ...body as { text: string } });
      return Promise.resolve({ status: 200, body: "", retryAfter: undefined });
    },
  };
  const host = {
    ...systemHost,
    name: () => "backup",
    uid: () => 1000,
    env: (name: string) => name === "XDG_STATE_HOME" ? `${folder.path}/state` : undefined,
  };
  const system = { clock, files: systemFiles, host, network };
  const report = (event: Event) => void events.push(event);
  const error = new ConfigError("site.yaml:3:1: Unknown key <color>", { hint: "Remove it" });
  const tell = () => alertNotRun(system, error, { repository: folder.path, report });
  const state = `${folder.path}/state/vm-backup/control`;
  const webhook = "https://hooks.slack.com/services/T/B/x";

  // Without a secrets.conf there is nobody to tell, and nothing to say.
  assert.equal(await tell(), false);
  // Its other problems, here its mode and all that is missing, do not keep anybody from being told.
  await Deno.writeTextFile(`${folder.path}/secrets.conf`, `SLACK_FAILURE_WEBHOOK=${webhook}\n`, {
    mode: 0o644,
  });
  assert.equal(await tell(), true);
  assert.equal(await tell(), false);
  clock.advance(25 * 3_600_000);
  assert.equal(await tell(), true);
  const given = { site: "Lab", webhook, state, report };
  assert.equal(await alert(system, [down], given), true);
  assert.equal(await tell(), true);
  assert.equal(await alert(system, [well], given), true);
  const text = "Backups are not checked: vmb ctl check cannot run on backup: " +
    "site.yaml:3:1: Unknown key &lt;color&gt;. " +
    `Next: Remove it; then there: vmb ctl check ${folder.path}`;
  assert.deepEqual(sent.map((each) => each.text), [
    ...[text, text, "Backups of Lab: 1 check fails: catalog", text],
    "Backups of Lab: all checks pass again",
  ]);
  assert.ok(sent.every(({ url }) => url === webhook));
  // What it cannot remember it has told all the same, and its caller's error is the one that counts.
  assert.deepEqual(events, []);
  await Deno.remove(`${state}/alert.json`);
  await Deno.mkdir(`${state}/alert.json/x`, { recursive: true });
  assert.equal(await tell(), false);
  assert.match(JSON.stringify(events), /"Slack was not told: /);
  assert.ok(!JSON.stringify(events).includes(webhook));
});
