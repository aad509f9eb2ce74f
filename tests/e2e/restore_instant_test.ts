import assert from "node:assert/strict";
import { describeDomain } from "../../core/libvirt/domain_xml.ts";
import type { RestoreOutcome } from "../../core/restore/run.ts";
import type { Guest } from "../lab/guest.ts";
import { openLab } from "../lab/lab.ts";
import { readRecords } from "../lab/records.ts";
import { program } from "./program.ts";
import {
  assertNothingLeft,
  type BackedUp,
  backUpGuest,
  hashes,
  loseGuest,
  openRestoreSite,
  type RestoreSite,
  trusting,
} from "./restoring.ts";
import { assertEnded, type Ended, names } from "./site.ts";

/** Asserts that the VM stands on its own disks, which are whole, and that it works. */
async function assertOnItsOwn(
  site: RestoreSite,
  { guest, manifest }: BackedUp,
  options: { readonly booted?: boolean } = {},
): Promise<void> {
  const { virsh } = site.hypervisor;
  const xml = await virsh("dumpxml", "--inactive", "--domain", guest.name);
  assert.doesNotMatch(xml, /rerror_policy|nbd|backingStore type/);
  for (const { target, source = "", backing } of describeDomain(xml).disks) {
    if (!manifest.disks.some((disk) => disk.target === target)) continue;
    assert.deepEqual(backing, []);
    const info = JSON.parse(
      await program("qemu-img", "info", "-U", "--output=json", source),
    ) as Record<string, unknown>;
    assert.equal(info["backing-filename"], undefined, `${target} stands on its own`);
  }
  assert.deepEqual(await names(site.scratch), [], "sockets are left");
  await assertNothingLeft(site);
  if (options.booted === false) await guest.start();
  await guest.waitForAgent();
  await guest.shutdown();
  for (const { target, source = "" } of describeDomain(xml).disks) {
    if (!manifest.disks.some((disk) => disk.target === target)) continue;
    await program("qemu-img", "check", source);
    const { broken, lastAt } = await readRecords(source);
    // The workload counts on from the first disk: a freeze between its two writes shows on the other.
    if (target === "vda") assert.equal(broken, undefined, `records of ${target}`);
    // What it wrote after its restore is there too.
    assert.ok(lastAt > Date.parse(manifest.instant), "it worked on");
  }
}

async function filling(site: RestoreSite, guest: Guest) {
  const run = site.start(["hv", "restore", guest.name, "--instant", trusting]);
  await run.until(/== Filling/);
  return run;
}

function outcomeOf({ stdout }: Ended): RestoreOutcome {
  return JSON.parse(stdout);
}

Deno.test("vmb hv restore --instant starts a lost VM on its backup, and fills its disks meanwhile", async () => {
  await using lab = await openLab();
  const site = await openRestoreSite(lab);
  const backedUp = await backUpGuest(site, {
    name: "now",
    kind: "two-disks",
    sizeMiB: 160,
    dataMiB: 64,
  });
  const { guest, folder } = backedUp;
  await loseGuest(site, guest);
  const images = (await program("find", folder, "-type", "f")).trim().split("\n");
  const before = await hashes(images);

  const ended = await site.vmb("hv", "restore", guest.name, "--instant", trusting, "--json");
  assertEnded(ended, 0);
  const { started, disks, warnings } = outcomeOf(ended);
  assert.ok(started);
  assert.deepEqual(warnings, []);
  for (const { path } of disks) assert.match(path, /\.qcow2$/);
  assert.equal(await guest.state(), "running");
  assert.deepEqual(await hashes(images), before);
  await assertOnItsOwn(site, backedUp);
});

Deno.test("vmb hv restore --instant that is killed or stopped leaves a VM that runs, which recover fills", async (t) => {
  await using lab = await openLab();
  const site = await openRestoreSite(lab);
  const backedUp = await backUpGuest(site, { name: "die", sizeMiB: 640, dataMiB: 384 });
  const { guest } = backedUp;
  const again = async () => {
    await loseGuest(site, { ...guest, disks: [] });
    for (const name of await names(site.images)) await Deno.remove(`${site.images}/${name}`);
  };
  await loseGuest(site, guest);

  for (const [signal, code] of [["SIGKILL", 137], ["SIGTERM", 143]] as const) {
    await t.step(signal, async () => {
      const run = await filling(site, guest);
      run.signal(signal);
      assert.ok([code, 0].includes((await run.ended).code));
      assert.equal(await guest.state(), "running");
      assertEnded(await site.vmb("hv", "recover"), 0);
      await assertOnItsOwn(site, backedUp);
      await again();
    });
  }

  await t.step("SIGKILL, and its server dies too", async () => {
    const run = await filling(site, guest);
    run.signal("SIGKILL");
    await run.ended;
    await program("pkill", "-KILL", "-f", `qemu-nbd.*${site.scratch}`).catch(() => {});
    assertEnded(await site.vmb("hv", "recover"), 0);
    assert.equal(await guest.state(), "running");
    await assertOnItsOwn(site, backedUp);
    await again();
  });

  await t.step("SIGKILL, and the hypervisor goes down", async () => {
    const run = await filling(site, guest);
    run.signal("SIGKILL");
    await run.ended;
    await program("pkill", "-KILL", "-f", `qemu-nbd.*${site.scratch}`).catch(() => {});
    await guest.destroy();
    assertEnded(await site.vmb("hv", "recover"), 0);
    assert.equal(await guest.state(), "shut off");
    await assertOnItsOwn(site, backedUp, { booted: false });
    await again();
  });
});

Deno.test("vmb hv restore --instant tells of an image that was changed, and of one that cannot be served", async () => {
  await using lab = await openLab();
  const site = await openRestoreSite(lab);
  const { guest, folder, manifest } = await backUpGuest(site, { name: "bad", dataMiB: 8 });
  await loseGuest(site, guest);
  const image = `${folder}/${manifest.disks[0]?.file}`;
  await Deno.chmod(image, 0o600);
  // The last cluster: data, and no table that QEMU reads.
  const file = await Deno.open(image, { write: true });
  await file.seek(-8, Deno.SeekMode.End);
  await file.write(new Uint8Array(8).fill(0xa5));
  file.close();
  const changed = await site.vmb("hv", "restore", guest.name, "--instant", trusting);
  assertEnded(changed, 6);
  assert.match(changed.stderr, /runs on a damaged disk vda/);
  assert.equal(await guest.state(), "running");
  await assertNothingLeft(site);

  await loseGuest(site, { ...guest, disks: [] });
  for (const name of await names(site.images)) await Deno.remove(`${site.images}/${name}`);
  await Deno.truncate(image, 100);
  const broken = await site.vmb("hv", "restore", guest.name, "--instant", trusting);
  assert.notEqual(broken.code, 0);
  assert.deepEqual(await names(site.images), []);
  assert.deepEqual(await names(site.scratch), []);
  await assertNothingLeft(site);
});
