import assert from "node:assert/strict";
import { controlPlaces } from "../../../core/deploy/places.ts";
import { teardown, volumesToPurge } from "../../../core/deploy/teardown.ts";
import { assertDeployed, consoleOf, deployTo, sourcesOf, writeRepository } from "./deploy_site.ts";
import { type FakeMachine, Killed, openFakeMachine } from "./fake_machine.ts";

async function takeDown(fake: FakeMachine, volumes: readonly string[] = []) {
  const { site } = await sourcesOf(fake);
  const places = controlPlaces(site, fake.machine.host);
  return await teardown(fake.machine, places, {
    bconsole: consoleOf(fake),
    volumes,
    report: () => {},
  });
}

Deno.test("teardown takes away all that was installed and no data; another deploy brings it back", async () => {
  await using fake = await openFakeMachine();
  await writeRepository(fake);
  await deployTo(fake);
  fake.volumes.add("vmb-catalog");
  await Deno.writeTextFile(fake.at("/etc/containers/systemd/other.container"), "mine\n");
  await Deno.writeTextFile(fake.at("/etc/vm-backup/web/users.conf"), "edited\n");
  const { files, kept, purged } = await takeDown(fake);
  assert.ok(files.includes("/etc/containers/systemd/vmb-web.container"));
  assert.deepEqual(kept, ["/etc/vm-backup/web/users.conf"]);
  assert.deepEqual(purged, []);
  assert.deepEqual([fake.started.size, fake.enabled.size, fake.secrets.size], [0, 0, 0]);
  assert.ok(fake.volumes.has("vmb-catalog"));
  const left = await Array.fromAsync(Deno.readDir(fake.at("/etc/containers/systemd")));
  assert.deepEqual(left.map(({ name }) => name), ["other.container"]);
  assert.ok(files.includes("/etc/vm-backup/repository"));
  assert.equal(await Deno.lstat(fake.at("/etc/vm-backup/repository")).catch(() => null), null);

  await Deno.remove(fake.at("/etc/vm-backup/web/users.conf"));
  await deployTo(fake);
  await assertDeployed(fake);
});

Deno.test("teardown that was killed at any step is completed by the next, or by a deploy", async () => {
  for (let step = 1;; step++) {
    await using fake = await openFakeMachine();
    await writeRepository(fake);
    await deployTo(fake);
    fake.steps = 0;
    fake.killAt = step;
    const killed = await takeDown(fake).then(() => false, (error) => {
      if (!(error instanceof Killed)) throw error;
      return true;
    });
    fake.killAt = undefined;
    if (!killed) {
      assert.ok(step > 20);
      return;
    }
    if (step % 2 === 0) {
      await takeDown(fake);
      assert.deepEqual([fake.started.size, fake.enabled.size, fake.secrets.size], [0, 0, 0]);
    } else {
      await deployTo(fake);
      await assertDeployed(fake);
    }
  }
});

Deno.test("teardown leaves a link to the repository that somebody made another of", async () => {
  await using fake = await openFakeMachine();
  await writeRepository(fake);
  await deployTo(fake);
  const link = fake.at("/etc/vm-backup/repository");
  await Deno.remove(link);
  await Deno.symlink("/srv/theirs", link);
  assert.deepEqual((await takeDown(fake)).kept, ["/etc/vm-backup/repository"]);
  assert.equal(await Deno.readLink(link), "/srv/theirs");
});

Deno.test("teardown refuses while a job runs", async () => {
  await using fake = await openFakeMachine();
  await writeRepository(fake);
  await deployTo(fake);
  fake.jobs = [{ id: 1, name: "vm-asav1", status: "R" }];
  await assert.rejects(takeDown(fake), { code: "deploy.busy", exit: 11 });
  assert.equal(fake.started.size, 5);
});

Deno.test("volumesToPurge names volumes only for the site that was confirmed", async () => {
  await using fake = await openFakeMachine();
  await writeRepository(fake);
  const { tree } = await sourcesOf(fake);
  const asked = { purge: true, site: "lab", tree };
  assert.deepEqual(volumesToPurge({ ...asked, purge: false, confirm: "lab" }), []);
  for (const confirm of [undefined, "other"]) {
    assert.throws(() => volumesToPurge({ ...asked, confirm }), { code: "usage.purge", exit: 2 });
  }
  const volumes = volumesToPurge({ ...asked, confirm: "lab" });
  assert.ok(volumes.includes("vmb-catalog") && volumes.length === 4, String(volumes));
});
