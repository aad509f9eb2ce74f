import assert from "node:assert/strict";
import { endBackupJob, pullJobXml } from "../../../core/libvirt/backup_job.ts";
import { fakeClock } from "../sys/fake_clock.ts";
import { scriptedVirsh } from "./scripted_virsh.ts";
import { testDomain } from "./test_driver.ts";

const ours = pullJobXml({ socketPath: "/scratch/run-1/backup.sock", disks: [] });
const foreign = pullJobXml({ socketPath: "/other/backup.sock", disks: [] });
const none = { code: 1, stderr: "error: Operation not possible: no domain backup job present" };

/** What libvirt shows of the job at each look; the last answer is repeated. */
function libvirt(shown: readonly (string | typeof none)[]) {
  let look = 0;
  const virsh = scriptedVirsh({
    "backup-dumpxml": () => shown[Math.min(look++, shown.length - 1)] ?? none,
    domjobabort: () => "",
  });
  const clock = fakeClock();
  return {
    clock,
    virsh,
    aborts: () => virsh.asked.filter(([word]) => word === "domjobabort").length,
    end: () => endBackupJob({ virsh, system: { clock } }, testDomain, "/scratch/run-1"),
  };
}

Deno.test("endBackupJob returns when libvirt has the job no longer", async () => {
  const stand = libvirt([ours, ours, ours, none]);
  assert.equal(await stand.end(), true);
  assert.equal(stand.aborts(), 1);
});

Deno.test("endBackupJob asks again while the job lingers", async () => {
  // A reset of the guest can make QEMU forget the first one.
  const stand = libvirt([...Array.from({ length: 20 }, () => ours), none]);
  assert.equal(await stand.end(), true);
  assert.ok(stand.aborts() >= 2, `${stand.aborts()} aborts`);
});

Deno.test("endBackupJob gives up on a job that never ends, and says so", async () => {
  const stand = libvirt([ours]);
  await assert.rejects(stand.end(), { code: "capture.job-lingers", hint: /vmb hv recover/ });
  assert.ok(stand.aborts() >= 10, `${stand.aborts()} aborts`);
  assert.ok(stand.clock.monotonic() < 120_000, `${stand.clock.monotonic()} ms`);
});

Deno.test("endBackupJob leaves the job of another program alone, also one that begins after ours", async () => {
  const alone = libvirt([foreign]);
  assert.equal(await alone.end(), false);
  assert.equal(alone.aborts(), 0);
  const after = libvirt([ours, foreign]);
  assert.equal(await after.end(), true);
  assert.equal(after.aborts(), 1);
});

Deno.test("endBackupJob takes a libvirt that does not answer for no answer", async () => {
  const silent = { code: 1, stderr: "error: failed to connect to the hypervisor" };
  const virsh = scriptedVirsh({ "backup-dumpxml": () => silent });
  const system = { clock: fakeClock() };
  await assert.rejects(endBackupJob({ virsh, system }, testDomain, "/scratch/run-1"), {
    code: "libvirt.connect",
  });
});
