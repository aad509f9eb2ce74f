import assert from "node:assert/strict";
import { VmbError } from "../../../core/error.ts";
import type { Event } from "../../../core/event.ts";
import {
  failureMessage,
  sendToSlack,
  successMessage,
  testMessage,
} from "../../../core/notify/slack.ts";
import { systemNetwork } from "../../../core/sys/network.ts";
import { type SlackAnswer, startSlack } from "../../lab/slack.ts";
import { fakeClock } from "../sys/fake_clock.ts";

const time = new Date("2026-11-21T12:00:00.000Z");
const backup = { title: "Backup", command: "vmb hv backup gw-1" };
const message = testMessage("hv1", time);

Deno.test("sendToSlack tries again when that may help, and waits as it is told", async () => {
  const table: readonly [readonly SlackAnswer[], boolean, readonly number[], RegExp?][] = [
    [[{ status: 200 }], true, []],
    [[{ status: 429, retryAfterSeconds: 3 }], true, [3000]],
    [[{ status: 429, retryAfterSeconds: 3600 }], true, [30_000]],
    [[{ status: 429, retryAfterSeconds: 0 }], true, [0]],
    [[{ status: 429 }], true, [500]],
    [[{ status: 500 }], true, [500]],
    [[{ status: 500 }, { status: 503 }], true, [500, 2000]],
    [[{ status: 500 }, { status: 500 }, { status: 500 }, { status: 502 }], false, [
      500,
      2000,
      5000,
    ], /HTTP status 502/],
    [[{ status: 404 }], false, [], /HTTP status 404/],
    [[{ status: 403 }], false, [], /HTTP status 403/],
    [[{ status: 302 }], true, [500]],
    [["hang"], true, [500]],
  ];
  for (const [answers, sent, slept, problem] of table) {
    await using slack = startSlack();
    slack.plan(...answers);
    const clock = fakeClock();
    const events: Event[] = [];
    const label = JSON.stringify(answers);
    assert.equal(
      await sendToSlack({ network: impatient, clock }, slack.url, message, (e) => events.push(e)),
      sent,
      label,
    );
    assert.deepEqual(clock.slept, slept, label);
    assert.equal(
      slack.posts.length,
      answers.length + (sent && answers.length === slept.length ? 1 : 0),
    );
    assert.equal(events.length, problem === undefined ? 0 : 1);
    if (problem) assert.match(JSON.stringify(events), problem);
    assert.ok(!JSON.stringify(events).includes("secret"), label);
    assert.deepEqual(JSON.parse(slack.posts.at(-1)?.body ?? ""), message);
    assert.equal(slack.posts[0]?.contentType, "application/json");
  }
});

Deno.test("sendToSlack that reaches nobody tells no address", async () => {
  let url: string;
  {
    await using gone = startSlack();
    url = gone.url;
  }
  for (
    const webhook of [
      url,
      "http://no-such-host.invalid/services/secret",
      "https:///secret",
      "HTTP://No-Such.invalid/secret",
    ]
  ) {
    const events: Event[] = [];
    const clock = fakeClock();
    const report = (event: Event) => events.push(event);
    assert.equal(await sendToSlack({ network: impatient, clock }, webhook, message, report), false);
    assert.deepEqual(clock.slept, [500, 2000, 5000]);
    assert.equal(events.length, 1);
    assert.match(JSON.stringify(events), /Slack did not take the message: ./);
    assert.ok(
      !/secret|127\.0\.0\.1:|invalid\//.test(JSON.stringify(events)),
      JSON.stringify(events),
    );
  }
});

Deno.test("failureMessage tells VM, hypervisor, step, time, error and what to do next", () => {
  const error = new VmbError("Copy failed: <!channel> & <b>", { code: "x", hint: "Mend > it" });
  const { text, blocks } = failureMessage({
    ...backup,
    vm: "a&b",
    hypervisor: "hv1",
    time,
    step: "copy",
    error,
  });
  const shown = JSON.stringify(blocks);
  for (
    const part of [
      "*VM*\\na&amp;b",
      "*Hypervisor*\\nhv1",
      "*Step*\\ncopy",
      "*Time*\\n2026-11-21T12:00:00.000Z",
      "*Error*\\nCopy failed: &lt;!channel&gt; &amp; &lt;b&gt;",
      "*Next*\\nMend &gt; it",
    ]
  ) assert.ok(shown.includes(part), part);
  assert.match(text, /Backup of a&amp;b on hv1 failed at copy: .*Next: Mend &gt; it$/);
  assert.ok(!/<!channel>/.test(JSON.stringify({ text, blocks })));

  const bare = failureMessage({
    ...backup,
    vm: "gw-1",
    hypervisor: "hv1",
    time,
    step: "copy",
    error: new VmbError("x", { code: "x" }),
  });
  assert.match(bare.text, /Next: Look at the log on hv1, then run: vmb hv backup gw-1$/);
});

Deno.test("failureMessage and successMessage stay within Slack's limits", () => {
  const long = "<é🧪&>".repeat(3000);
  const error = new VmbError(long, { code: "x", hint: long });
  const vm = "v".repeat(150);
  const messages = [
    failureMessage({ ...backup, vm, hypervisor: "h".repeat(150), time, step: "copy", error }),
    successMessage({ ...backup, vm, hypervisor: "hv1", time, text: long }),
  ];
  for (const { text, blocks } of messages) {
    assert.ok(text.length <= 3000);
    for (const block of blocks) {
      if (block.type === "header") assert.ok(block.text.text.length <= 150);
      if (block.type !== "section") continue;
      assert.ok((block.text?.text.length ?? 0) <= 3000);
      for (const field of block.fields ?? []) assert.ok(field.text.length <= 2000);
    }
  }
});

/** The real network, for a server that answers at once or never. */
const impatient = {
  ...systemNetwork,
  postJson: (url: string, body: unknown) => systemNetwork.postJson(url, body, { timeoutMs: 1000 }),
};
