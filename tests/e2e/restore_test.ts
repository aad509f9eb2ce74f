import assert from "node:assert/strict";
import { describeDomain } from "../../core/libvirt/domain_xml.ts";
import type { GuestOptions } from "../lab/guest.ts";
import { openLab } from "../lab/lab.ts";
import { readRecords } from "../lab/records.ts";
import {
  assertContent,
  assertNothingLeft,
  backUpGuest,
  hashes,
  loseGuest,
  openRestoreSite,
  restore,
  trusting,
} from "./restoring.ts";
import { assertEnded, names } from "./site.ts";

const kinds: readonly (GuestOptions & { readonly title: string })[] = [
  { title: "one disk", name: "one", kind: "one-disk", extraDisks: ["cdrom"] },
  { title: "two disks, qcow2 and raw", name: "two", kind: "two-disks" },
  { title: "UEFI and its variables", name: "uefi", kind: "uefi" },
  { title: "no agent", name: "mute", kind: "no-agent" },
  { title: "a disk of a VM that was shut off", name: "off", kind: "shut-off" },
];

for (const { title, ...options } of kinds) {
  Deno.test(`vmb hv restore brings back a lost VM with ${title}`, async () => {
    await using lab = await openLab();
    const site = await openRestoreSite(lab);
    const { guest, manifest } = await backUpGuest(site, options);
    const { virsh } = site.hypervisor;
    const before = await virsh("dumpxml", "--inactive", "--domain", guest.name);
    await virsh("autostart", "--domain", guest.name);
    await loseGuest(site, guest);

    const outcome = await restore(site, guest.name);
    assert.equal(outcome.mode, "recreate");
    assert.equal(outcome.uuid, manifest.vm.uuid);
    await assertContent(outcome, manifest);
    const after = describeDomain(await virsh("dumpxml", "--inactive", "--domain", guest.name));
    const { disks: _, nvram, ...same } = describeDomain(before);
    const { disks, nvram: variables, ...restored } = after;
    assert.deepEqual(restored, same);
    // The lab's lie where nobody's do: they come back beside the disks.
    assert.equal(variables, nvram && `${site.images}/${guest.name}_VARS.fd`);
    for (const { target, path } of outcome.disks) {
      const disk = disks.find((each) => each.target === target);
      assert.deepEqual([disk?.source, disk?.backing], [path, []]);
      const format = manifest.disks.find((each) => each.target === target)?.sourceFormat;
      assert.equal(disk?.format, format);
      // That they are those of the frozen disk, its digest says: the guest has a clock of its own.
      const { broken, count } = await readRecords(path, { format: format as "raw" });
      assert.equal(broken, undefined);
      assert.ok(count > 0, "records");
    }
    await guest.start();
    await guest.waitForConsole(/VMB-HEARTBEAT/);
    if (guest.kind !== "no-agent") await guest.waitForAgent();
    await assertNothingLeft(site);
  });
}

Deno.test("vmb hv restore makes a clone beside the running original, which it does not disturb", async () => {
  await using lab = await openLab();
  const site = await openRestoreSite(lab);
  const { guest, manifest, folder } = await backUpGuest(site, { name: "uefi", kind: "uefi" });
  const { virsh } = site.hypervisor;
  await guest.shutdown();
  const files = [...guest.disks.map(({ path }) => path), guest.nvram ?? ""];
  const before = await hashes([...files, `${folder}/${manifest.disks[0]?.file}`]);

  const name = `${guest.name}-clone`;
  lab.defer(async () => {
    await virsh("destroy", "--domain", name).catch(() => {});
    await virsh("undefine", "--domain", name, "--nvram").catch(() => {});
  });
  const outcome = await restore(site, guest.name, "latest", "--name", name, "--format", "raw");
  assert.equal(outcome.mode, "clone");
  assert.notEqual(outcome.uuid, manifest.vm.uuid);
  assert.match(outcome.disks[0]?.path ?? "", /-clone-vda\.raw$/);
  await assertContent(outcome, manifest);
  const clone = describeDomain(await virsh("dumpxml", "--inactive", "--domain", name));
  assert.notEqual(clone.nvram, guest.nvram);
  assert.ok(clone.nvram !== undefined && await Deno.stat(clone.nvram));
  assert.deepEqual(await hashes(Object.keys(before)), before);

  await guest.start();
  await virsh("start", "--domain", name);
  await guest.waitForAgent();
  const { stdout } = await site.vmb("hv", "list", "--json");
  assert.equal(JSON.parse(stdout).backups.length, 1);
});

Deno.test("vmb hv restore shows what it would do, with the changes of the XML, and does nothing", async () => {
  await using lab = await openLab();
  const site = await openRestoreSite(lab);
  const { guest } = await backUpGuest(site, { name: "plan" });
  await loseGuest(site, guest);
  const ended = await site.vmb("hv", "restore", guest.name, trusting, "--dry-run");
  assertEnded(ended, 0);
  assert.match(ended.stdout, /disk {5}vda: .*\/images\/.*-vda\.qcow2 \(qcow2, \d/);
  assert.match(ended.stdout, /^- .*<source file=.*vda\.qcow2/m);
  assert.match(ended.stdout, /^\+ .*<source file=.*\/images\/.*-vda\.qcow2/m);
  assert.deepEqual(await names(site.images), []);
  const { code } = await site.vmb("hv", "restore", guest.name, "2020-01-01-000000");
  assert.equal(code, 10);
});

Deno.test("vmb hv restore replaces a VM only when it is shut off and its name is given, and keeps its disks", async () => {
  await using lab = await openLab();
  const site = await openRestoreSite(lab);
  const { guest, manifest } = await backUpGuest(site, { name: "old", kind: "uefi" });
  const path = guest.disks[0]?.path ?? "";
  const args = ["hv", "restore", guest.name, "--replace"];

  const running = await site.vmb(...args, "--confirm", guest.name);
  assertEnded(running, 6);
  assert.match(running.stderr, /is to be replaced, and is running/);
  await guest.shutdown();
  const before = await hashes([path, guest.nvram ?? ""]);
  const without = await site.vmb("hv", "restore", guest.name);
  assertEnded(without, 6);
  assert.match(without.stderr, /is there, with this UUID, shut off/);
  const unconfirmed = await site.vmb(...args);
  assertEnded(unconfirmed, 2);
  assert.match(unconfirmed.stderr, /not confirmed/);
  assertEnded(await site.vmb(...args, "--confirm", "another"), 2);
  assert.deepEqual(await hashes(Object.keys(before)), before);

  const outcome = await restore(site, guest.name, "--replace", "--confirm", guest.name);
  assert.equal(outcome.disks[0]?.path, path);
  await assertContent(outcome, manifest);
  const kept = await hashes(outcome.kept.slice(0, 2));
  assert.deepEqual(Object.values(kept), Object.values(before));
  await guest.start();
  await guest.waitForAgent();
  await assertNothingLeft(site);
});
