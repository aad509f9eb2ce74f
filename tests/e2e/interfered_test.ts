import assert from "node:assert/strict";
import { createGuest, type Guest } from "../lab/guest.ts";
import { type Lab, openLab } from "../lab/lab.ts";
import {
  assertEnded,
  assertUndisturbed,
  hypervisorName,
  names,
  openSite,
  type Site,
} from "./site.ts";

async function openWithGuest(lab: Lab): Promise<[Site, Guest]> {
  const site = await openSite(lab);
  const guest = await createGuest(site.hypervisor, { name: "guest", dataMiB: 24 });
  await guest.start();
  await guest.waitForAgent();
  await site.listVms([{ name: guest.name, hypervisor: hypervisorName }]);
  return [site, guest];
}

const slowSnapshot = ["--method", "snapshot", "--bwlimit", "4M"] as const;

Deno.test("vmb hv backup keeps its hands off what others did meanwhile", async (t) => {
  await using lab = await openLab();
  const [site, guest] = await openWithGuest(lab);
  const { virsh } = site.hypervisor;
  const [disk] = guest.disks;
  assert.ok(disk);

  await t.step("someone commits our overlay during the copy: the backup fails", async () => {
    const run = site.start(["hv", "backup", guest.name, ...slowSnapshot]);
    await run.until(/== Copying/);
    await virsh(
      "blockcommit",
      "--active",
      "--pivot",
      "--wait",
      "--domain",
      guest.name,
      disk.target,
    );
    const ended = await run.ended;
    assertEnded(ended, 1);
    assert.match(ended.stderr, /left its overlay during the copy/);
    await assertUndisturbed(site, guest);
  });

  await t.step("a snapshot of the administrator fails the checks, and stays", async () => {
    const overlay = `${guest.folder}/admin.overlay`;
    const spec = guest.disks.map(({ target }) => `--diskspec=${target},file=${overlay}`);
    await virsh(
      "snapshot-create-as",
      "--disk-only",
      "--name=admin",
      "--domain",
      guest.name,
      ...spec,
    );
    const ended = await site.vmb("hv", "backup", guest.name);
    assertEnded(ended, 6);
    assert.match(ended.stderr, /check no-snapshots: failed: the VM has snapshots: admin/);
    assert.match(ended.stderr, /check no-overlays: failed/);
    assert.match(await virsh("snapshot-list", "--name", "--domain", guest.name), /admin/);
    await virsh("snapshot-delete", "--metadata", "--domain", guest.name, "admin");
    await virsh(
      "blockcommit",
      "--active",
      "--pivot",
      "--wait",
      "--domain",
      guest.name,
      disk.target,
    );
  });

  await t.step("a backup job of another program fails the checks, and stays", async () => {
    const xml = `${guest.folder}/job.xml`;
    const socket = `${guest.folder}/job.sock`;
    await Deno.writeTextFile(
      xml,
      `<domainbackup mode='pull'><server transport='unix' socket='${socket}'/></domainbackup>`,
    );
    await Deno.chmod(guest.folder, 0o777);
    await virsh("backup-begin", "--domain", guest.name, xml);
    const ended = await site.vmb("hv", "backup", guest.name);
    assertEnded(ended, 6);
    assert.match(ended.stderr, /check no-block-jobs: failed/);
    assert.match(await virsh("backup-dumpxml", "--domain", guest.name), /job\.sock/);
    await virsh("domjobabort", "--domain", guest.name);
  });

  await t.step("saved to disk on our overlay: recover waits until it runs again", async () => {
    const run = site.start(["hv", "backup", guest.name, ...slowSnapshot]);
    await run.until(/== Copying/);
    run.signal("SIGKILL");
    await run.ended;
    await virsh("managedsave", "--domain", guest.name);
    const refused = await site.vmb("hv", "recover");
    assertEnded(refused, 1);
    assert.match(refused.stderr, /was saved to disk while it was on our overlays/);
    assert.equal((await names(site.scratch)).length, 1, "the overlay must stay");
    await virsh("start", "--domain", guest.name);
    assertEnded(await site.vmb("hv", "recover"), 0);
    await assertUndisturbed(site, guest);
  });
});
