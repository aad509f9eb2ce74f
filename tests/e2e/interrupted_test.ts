import assert from "node:assert/strict";
import { createGuest, type Guest } from "../lab/guest.ts";
import { openLab } from "../lab/lab.ts";
import { startSlack } from "../lab/slack.ts";
import {
  assertEnded,
  assertUndisturbed,
  hypervisorName,
  names,
  openSite,
  type Site,
} from "./site.ts";

/** A guest whose copy takes some seconds, so that there is time to interfere. */
async function openWithGuest(lab: Awaited<ReturnType<typeof openLab>>): Promise<[Site, Guest]> {
  const site = await openSite(lab);
  const guest = await createGuest(site.hypervisor, {
    name: "guest",
    kind: "two-disks",
    dataMiB: 24,
  });
  await guest.start();
  await guest.waitForAgent();
  await site.listVms([{ name: guest.name, hypervisor: hypervisorName }]);
  return [site, guest];
}

const slow = ["--bwlimit", "4M"] as const;

Deno.test("vmb hv backup undoes everything when it is stopped by a signal", async (t) => {
  await using lab = await openLab();
  await using slack = startSlack();
  const [site, guest] = await openWithGuest(lab);
  await site.configure({ SLACK_FAILURE_WEBHOOK: slack.url });
  const cases = [
    ["SIGTERM", 143, "quiesce", /== Copying/],
    ["SIGINT", 130, "snapshot", /== Copying/],
    ["SIGHUP", 129, "quiesce", /== Capturing/],
    ["SIGTERM", 143, "snapshot", /== Capturing/],
  ] as const;
  for (const [signal, code, method, moment] of cases) {
    await t.step(`${signal} at ${moment} of ${method}`, async () => {
      const run = site.start(["hv", "backup", guest.name, "--method", method, ...slow]);
      await run.until(moment);
      run.signal(signal);
      assertEnded(await run.ended, code);
      await assertUndisturbed(site, guest);
      const listed = await site.vmb("hv", "list", guest.name, "--json");
      assert.deepEqual(JSON.parse(listed.stdout), { backups: [] });
    });
  }
  const posts = await slack.waitForPosts(cases.length);
  for (const post of posts) {
    assert.match(post.body, /Stopped by SIG/);
    assert.ok(post.body.includes(guest.name));
  }
});

Deno.test("vmb hv recover puts right what a killed backup left", async (t) => {
  await using lab = await openLab();
  const [site, guest] = await openWithGuest(lab);
  const cases = [
    ["quiesce", /== Preparing/],
    ["quiesce", /== Capturing/],
    ["quiesce", /== Copying/],
    ["snapshot", /== Capturing/],
    ["snapshot", /== Copying/],
  ] as const;
  for (const [method, moment] of cases) {
    await t.step(`killed at ${moment} of ${method}`, async () => {
      const run = site.start(["hv", "backup", guest.name, "--method", method, ...slow]);
      await run.until(moment);
      run.signal("SIGKILL");
      await run.ended;
      if (moment.source === "== Copying") {
        const checked = await site.vmb("hv", "check", guest.name);
        assertEnded(checked, 6);
        assert.match(checked.stderr, /check runs: failed: run \S+ of "[^"]+" was killed/);
        assert.match(checked.stderr, /hint: Run: vmb hv recover$/m);
        assert.doesNotMatch(checked.stderr, /--abort|of another program|Someone's snapshot/);
      }
      const recovered = await site.vmb("hv", "recover", "--json");
      assertEnded(recovered, 0);
      assert.equal(JSON.parse(recovered.stdout).recoveries.length, 1);
      await assertUndisturbed(site, guest);
      const again = await site.vmb("hv", "recover", "--json");
      assert.deepEqual(JSON.parse(again.stdout), { recoveries: [] });
    });
  }
  await t.step("killed between freeze and thaw, and its virsh with it", async () => {
    const folder = `${lab.folder}/bin`;
    await Deno.mkdir(folder);
    // It does what the real one does up to the freeze; then both die.
    await Deno.writeTextFile(
      `${folder}/virsh`,
      `#!/bin/sh
PATH=\${PATH#*:}
case $4 in *domfsfreeze*) ;; *) exec virsh "$@" ;; esac
virsh "$1" "$2" "$3" "\${4%%; backup-begin*}"
kill -9 "$PPID"
`,
      { mode: 0o755 },
    );
    const env = { PATH: `${folder}:${Deno.env.get("PATH")}` };
    const killed = await site.start(["hv", "backup", guest.name, "--method", "quiesce"], env).ended;
    assert.equal(killed.code, 137);
    assert.equal(await guest.askAgent("guest-fsfreeze-status"), "frozen");
    assertEnded(await site.vmb("hv", "recover"), 0);
    await assertUndisturbed(site, guest);
  });
  await t.step("killed on its overlay, and then the guest was shut down", async () => {
    const run = site.start(["hv", "backup", guest.name, "--method", "snapshot", ...slow]);
    await run.until(/== Copying/);
    run.signal("SIGKILL");
    await run.ended;
    await guest.shutdown();
    assertEnded(await site.vmb("hv", "recover"), 0);
    await assertUndisturbed(site, guest);
    await guest.start();
    await guest.waitForAgent();
  });
  await t.step("the next backup recovers by itself", async () => {
    const run = site.start(["hv", "backup", guest.name, "--method", "snapshot", ...slow]);
    await run.until(/== Copying/);
    run.signal("SIGKILL");
    await run.ended;
    const next = await site.vmb("hv", "backup", guest.name);
    assertEnded(next, 0);
    assert.match(next.stderr, /was killed; putting right what it left/);
    await assertUndisturbed(site, guest);
  });
});

Deno.test("vmb hv backup notices that an offline domain was started", async () => {
  await using lab = await openLab();
  const site = await openSite(lab);
  const guest = await createGuest(site.hypervisor, { name: "off", dataMiB: 24, workload: "idle" });
  const run = site.start(["hv", "backup", guest.name, ...slow]);
  await run.until(/== Copying/);
  await guest.start();
  const ended = await run.ended;
  assertEnded(ended, 1);
  assert.match(ended.stderr, /the domain was started during the offline copy/);
  await guest.waitForAgent();
  assert.deepEqual(await names(`${site.root}/${hypervisorName}/${guest.name}`), []);
});
