import assert from "node:assert/strict";
import { runMain } from "../../../commands/main.ts";
import type { CheckResult } from "../../../core/checks/check.ts";
import { VmbError } from "../../../core/error.ts";
import { services } from "../../../core/podman/service.ts";
import { passwordKeys } from "../../../core/secrets/secret_key.ts";
import { systemNetwork } from "../../../core/sys/network.ts";
import type { Processes } from "../../../core/sys/process.ts";
import type { System } from "../../../core/sys/system.ts";
import { recordedConsole } from "../../core/bacula/recorded_console.ts";
import { edit, passwordOf, repository, writeRepository } from "../../core/deploy/deploy_site.ts";
import { type FakeMachine, openFakeMachine } from "../../core/deploy/fake_machine.ts";
import { fakeTerminal } from "../fake_terminal.ts";

/** Runs `vmb ctl` on a machine; `answer` is what a person at its terminal types, `posts` gets what Slack is told. */
async function vmb(
  fake: FakeMachine,
  words: readonly string[],
  answer?: string,
  { posts = [], changes = {} }: {
    readonly posts?: unknown[];
    readonly changes?: Partial<System>;
  } = {},
) {
  const terminal = { ...fakeTerminal(), ask: () => answer };
  const system: System = {
    ...fake.machine,
    host: { ...fake.machine.host, onStopSignal: () => () => {} },
    network: {
      ...systemNetwork,
      probeTcp: () => Promise.resolve(),
      postJson(url, body) {
        posts.push({ url, body });
        return Promise.resolve({ status: 200, body: "", retryAfter: undefined });
      },
    },
    ...changes,
  };
  const code = await runMain(system, terminal, { version: "1", args: ["ctl", ...words] });
  return { code, ...terminal.written };
}

Deno.test("vmb ctl deploy shows the plan, asks, deploys, and then has no changes", async () => {
  await using fake = await openFakeMachine();
  await writeRepository(fake);
  const nobody = await vmb(fake, ["deploy", repository]);
  assert.deepEqual([nobody.code, fake.started.size], [2, 0]);
  assert.match(nobody.err, /nobody to ask\n {2}hint: .*--yes/);

  const dry = await vmb(fake, ["deploy", repository, "--dry-run"]);
  assert.deepEqual([dry.code, fake.started.size], [0, 0]);
  assert.match(dry.out, /^ {2}start vmb-director: it is inactive\n/m);
  assert.ok(dry.out.endsWith("Nothing was changed: --dry-run\n"));

  const declined = await vmb(fake, ["deploy", repository], "no");
  assert.deepEqual([declined.code, declined.out], [0, "Nothing was changed\n"]);

  const done = await vmb(fake, ["deploy", repository], "yes");
  assert.deepEqual([done.code, done.out], [0, "Deployed: https://vmb.lab.example:9097/\n"]);
  const again = await vmb(fake, ["deploy", repository, "--json"]);
  assert.equal(JSON.parse(again.out).outcome, "nothing");
  for (const { out, err } of [dry, declined, done, again]) {
    for (const key of passwordKeys) assert.ok(!(out + err).includes(passwordOf(key)), key);
  }
});

Deno.test("vmb ctl deploy ends with 4 where secrets or the certificate are missing", async () => {
  await using fake = await openFakeMachine();
  await writeRepository(fake);
  await Deno.remove(fake.at(`${repository}/tls`), { recursive: true });
  const certificate = await vmb(fake, ["deploy", repository, "--yes"]);
  assert.equal(certificate.code, 4);
  assert.match(certificate.err, /hint: Run: vmb ctl certs\n/);
  await Deno.remove(fake.at(`${repository}/secrets.conf`));
  const secrets = await vmb(fake, ["deploy", repository, "--yes"]);
  assert.equal(secrets.code, 4);
  assert.match(secrets.err, /hint: Run: vmb ctl secrets init\n/);
  assert.equal(fake.started.size, 0);
});

Deno.test("vmb ctl check ends with 6 for a fault, and vmb ctl fix mends it", async () => {
  await using fake = await openFakeMachine();
  await writeRepository(fake);
  await vmb(fake, ["deploy", repository, "--yes"]);
  const well = await vmb(fake, ["check", repository]);
  assert.deepEqual([well.code, /, none failed\n$/.test(well.out)], [0, true], well.err);

  fake.started.delete("vmb-api");
  const sick = await vmb(fake, ["check", repository, "--json"]);
  assert.equal(sick.code, 6);
  assert.match(sick.err, /^vmb: Check of .* failed: vmb-api: the unit is inactive$/m);
  const { ok, checks } = JSON.parse(sick.out);
  assert.equal(ok, false);
  assert.deepEqual(
    checks.filter(({ outcome }: { outcome: string }) => outcome === "failed")
      .map(({ name }: { name: string }) => name),
    ["vmb-api"],
  );

  const dry = await vmb(fake, ["fix", repository, "--dry-run"]);
  assert.deepEqual([dry.code, dry.out], [0, "  Restart vmb-api: the unit is inactive\n"]);
  assert.ok(!fake.started.has("vmb-api"));
  const fixed = await vmb(fake, ["fix", repository]);
  assert.deepEqual([fixed.code, fixed.out], [0, "done  Restart vmb-api: healthy again\n"]);
  const idle = await vmb(fake, ["fix", repository]);
  assert.deepEqual([idle.code, idle.out], [0, "Nothing that fix could mend\n"]);
});

Deno.test("vmb ctl check without podman fails check by check, and asks bconsole of this machine", async () => {
  await using fake = await openFakeMachine();
  await writeRepository(fake);
  await vmb(fake, ["deploy", repository, "--yes"]);
  const bconsole = recordedConsole("15.0.3", { "status client=hv2-fd": "ERR=No route to host" });
  const { processes } = fake.machine;
  const run: Processes["run"] = (argv, options) => {
    if (argv[0] === "bconsole") {
      assert.deepEqual(argv.slice(1), ["-n", "-c", "/lab/monitor.conf"]);
      return bconsole.run(argv, options);
    }
    if (argv[0] !== "podman") return processes.run(argv, options);
    return Promise.reject(
      new VmbError("Program not found: podman", { code: "process.missing", exit: 5 }),
    );
  };
  const words = ["check", repository, "--console-config", "/lab/monitor.conf", "--json"];
  const ended = await vmb(fake, words, undefined, {
    changes: { processes: { ...processes, run } },
  });
  assert.equal(ended.code, 6);
  const { checks } = JSON.parse(ended.out);
  const told = new Map<string, readonly [string, string]>(
    checks.map(({ name, outcome, detail }: CheckResult) => [name, [outcome, detail]]),
  );
  for (const name of [...services, "runtime", "catalog", "storage-writable", "disk", "jobs"]) {
    assert.deepEqual(told.get(name), ["failed", "Program not found: podman"], name);
  }
  assert.deepEqual(told.get("director"), ["ok", "Director 15.0.3"]);
  assert.deepEqual(told.get("storage"), ["ok", "Storage Daemon 15.0.3"]);
  assert.deepEqual(told.get("fd-hv1"), ["ok", "Bacula 15.0.3"]);
  assert.match(told.get("fd-hv2")?.[1] ?? "", /no answer: ERR=No route to host/);
  assert.deepEqual(told.get("locks"), ["ok", "no run holds a lock"]);
  assert.deepEqual(told.get("web-https")?.[0], "ok");
  // Nothing can be mended there.
  const fix = await vmb(fake, ["fix", repository], undefined, {
    changes: { processes: { ...processes, run } },
  });
  assert.equal(fix.code, 5);
});

Deno.test("vmb ctl check --alert tells Slack when the repository keeps it from checking", async () => {
  await using fake = await openFakeMachine();
  await writeRepository(fake);
  const webhook = "https://hooks.slack.com/services/T0/B0/secret";
  const secrets = fake.at(`${repository}/secrets.conf`);
  await Deno.writeTextFile(secrets, `SLACK_FAILURE_WEBHOOK=${webhook}\n`, { append: true });
  await edit(fake, "vm-list.yaml", "name:", "nam:");
  const posts: { readonly url: string; readonly body: { readonly text: string } }[] = [];
  const silent = await vmb(fake, ["check", repository], undefined, { posts });
  assert.deepEqual([silent.code, posts], [4, []]);
  const first = await vmb(fake, ["check", repository, "--alert", "--json"], undefined, { posts });
  const again = await vmb(fake, ["check", repository, "--alert"], undefined, { posts });
  assert.deepEqual([first.code, again.code, posts.length, posts[0]?.url], [4, 4, 1, webhook]);
  assert.match(posts[0]?.body.text ?? "", /vm-list\.yaml:\d+:\d+: Unknown key "nam"/);
  assert.equal(JSON.parse(first.out).error.exit, 4);
  for (const { out, err } of [silent, first, again]) assert.ok(!(out + err).includes(webhook));
  await edit(fake, "vm-list.yaml", "nam:", "name:");
  await vmb(fake, ["deploy", repository, "--yes"]);
  const well = await vmb(fake, ["check", repository, "--alert"], undefined, { posts });
  assert.deepEqual([well.code, posts.length], [0, 2]);
  assert.match(posts[1]?.body.text ?? "", /: all checks pass again$/);
});

Deno.test("vmb ctl teardown asks, and takes data only for a site that is named", async () => {
  await using fake = await openFakeMachine();
  await writeRepository(fake);
  await vmb(fake, ["deploy", repository, "--yes"]);
  fake.volumes.add("vmb-catalog");
  assert.equal((await vmb(fake, ["teardown", repository])).code, 2);
  assert.equal((await vmb(fake, ["teardown", repository], "no")).out, "Nothing was changed\n");
  const wrong = await vmb(fake, ["teardown", repository, "--purge-data", "--confirm", "lab"]);
  assert.equal(wrong.code, 2);
  assert.equal(fake.started.size, 5);
  const done = await vmb(fake, ["teardown", repository, "--yes"]);
  assert.equal(done.code, 0);
  assert.match(done.out, /\nKept: the volumes of podman with the catalog, and the share\n$/);
  assert.deepEqual([fake.started.size, fake.volumes.size], [0, 1]);
  const name = 'Lab "A" $x 100% ü';
  const purged = await vmb(fake, ["teardown", repository, "--purge-data", "--confirm", name]);
  assert.match(purged.out, /\nRemoved with their data: vmb-catalog\n$/);
});
