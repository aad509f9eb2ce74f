import assert from "node:assert/strict";
import { failed, passed } from "../../../core/checks/check.ts";
import { alert } from "../../../core/deploy/alert.ts";
import { tellFailures, untoldNotes } from "../../../core/deploy/tell_failures.ts";
import { systemFiles } from "../../../core/sys/files.ts";
import { type Network, systemNetwork } from "../../../core/sys/network.ts";
import { startSlack } from "../../lab/slack.ts";
import { temporaryFolder } from "../nbd/servers.ts";
import { fakeClock } from "../sys/fake_clock.ts";

const hook = new URL("../../../templates/bacula/job-failed.sh", import.meta.url).pathname;

/** A control VM with a webhook, and the Director's hook that notes failures there. */
async function openTeller(webhook: string, network: Network = systemNetwork) {
  const folder = await temporaryFolder();
  const state = `${folder.path}/state`;
  const repository = `${folder.path}/site`;
  await Deno.mkdir(repository);
  await Deno.writeTextFile(`${repository}/secrets.conf`, `SLACK_FAILURE_WEBHOOK=${webhook}\n`, {
    mode: 0o600,
  });
  const clock = fakeClock();
  const system = { clock, files: systemFiles, network };
  const warnings: string[] = [];
  return {
    ...folder,
    state,
    clock,
    system,
    warnings,
    untold: () => untoldNotes(systemFiles, state),
    async fail(id: number, job = `vm-${id}`) {
      const args = [hook, `${state}/failed`, "/none", job, String(id), "hv1-fd", "Fatal Error"];
      const { code } = await new Deno.Command("/bin/sh", { args }).output();
      assert.equal(code, 0);
    },
    tell: () =>
      tellFailures(system, {
        repository,
        state,
        report: (event) => {
          if (event.kind === "warning") warnings.push(event.text);
        },
      }),
  };
}

Deno.test("tellFailures tells each job that failed once, the oldest first", async () => {
  await using slack = startSlack();
  await using site = await openTeller(slack.url);
  assert.deepEqual(await site.tell(), []);
  for (const id of [9, 10, 8]) await site.fail(id);
  assert.deepEqual(await site.tell(), [8, 9, 10]);
  assert.deepEqual(await site.tell(), []);
  const texts = slack.posts.map(({ body }) => JSON.parse(body).text);
  assert.deepEqual(
    texts,
    [8, 9, 10].map((id) =>
      `Bacula job vm-${id} on hv1-fd ended with: Fatal Error. Its log: vmb ctl log ${id}`
    ),
  );
  // What check judges stays.
  assert.ok((await Deno.stat(`${site.state}/failed/9.json`)).isFile);
});

Deno.test("tellFailures keeps what Slack does not take, whatever it does, and tells it when it is back", async () => {
  const hang: Network["postJson"] = () => Promise.reject(new Error("Signal timed out."));
  const status = (value: number): Network["postJson"] => () =>
    Promise.resolve({ status: value, body: "", retryAfter: undefined });
  for (
    const [what, dead] of [["429", status(429)], ["500", status(500)], ["hang", hang]] as const
  ) {
    let isDead = true;
    const told: string[] = [];
    const network: Network = {
      ...systemNetwork,
      postJson: (url, body, options) => {
        if (isDead) return dead(url, body, options);
        told.push((body as { readonly text: string }).text);
        return Promise.resolve({ status: 200, body: "ok", retryAfter: undefined });
      },
    };
    await using site = await openTeller("https://hooks.slack.com/services/T/B/x", network);
    await site.fail(1);
    await site.fail(2);
    await assert.rejects(site.tell(), { code: "notify.failed", exit: 1 }, what);
    assert.deepEqual(await site.untold(), ["1.json", "2.json"], what);
    assert.ok(site.warnings.every((text) => !text.includes("hooks.slack.com")));
    // The unit tries again at most a minute later; what one try takes must leave it in two.
    assert.ok(site.clock.monotonic() + 4 * 10_000 < 60_000, what);
    isDead = false;
    assert.deepEqual(await site.tell(), [1, 2], what);
    assert.equal(told.length, 2, what);
  }
});

Deno.test("tellFailures forgets what nobody is to be told of", async () => {
  await using site = await openTeller("");
  await site.fail(3);
  assert.deepEqual(await site.tell(), []);
  assert.deepEqual(await site.untold(), []);
});

Deno.test("tellFailures says the number of a job whose note cannot be read", async () => {
  await using slack = startSlack();
  await using site = await openTeller(slack.url);
  const untold = `${site.state}/failed/untold`;
  await site.fail(1, 'a"b');
  await Deno.writeTextFile(`${untold}/2.json`, "x".repeat(10_000));
  await Deno.symlink("/etc/shadow", `${untold}/3.json`);
  await Deno.writeTextFile(`${untold}/4x.json`, "no note");
  assert.deepEqual(await site.tell(), [1, 2, 3]);
  for (const [index, { body }] of slack.posts.entries()) {
    assert.match(JSON.parse(body).text, new RegExp(`^Bacula job job ${index + 1} on \\?`));
  }
  assert.deepEqual([...Deno.readDirSync(untold)].map(({ name }) => name), ["4x.json"]);
});

Deno.test("what tellFailures told, the next check does not tell again for a day", async () => {
  await using slack = startSlack();
  await using site = await openTeller(slack.url);
  await site.fail(5);
  await site.tell();
  const check = async (...failing: readonly string[]) =>
    await alert(
      site.system,
      [
        ...failing.map((name) => ({ name, ...failed("no", "hint") })),
        { name: "disk", ...passed("") },
      ],
      { site: "lab", webhook: slack.url, state: site.state, report: () => {} },
    );
  assert.equal(await check("jobs"), false);
  assert.equal(await check("jobs", "share"), true);
  assert.equal(await check(), true);
});
