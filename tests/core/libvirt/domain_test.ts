import assert from "node:assert/strict";
import { VmbError } from "../../../core/error.ts";
import { endBackupJob, runningBackupXml } from "../../../core/libvirt/backup_job.ts";
import {
  domainBlockSizes,
  domainInfo,
  domainMoments,
  versions,
} from "../../../core/libvirt/domain_info.ts";
import {
  domainRunId,
  domainState,
  findDomain,
  listDomains,
  liveXml,
  persistentXml,
} from "../../../core/libvirt/domain.ts";
import { describeDomain } from "../../../core/libvirt/domain_xml.ts";
import { openVirsh } from "../../../core/libvirt/virsh.ts";
import { systemProcesses } from "../../../core/sys/process.ts";
import { realSystem } from "../../../core/sys/system.ts";
import { testDomain, testVirsh, uuidOf, virshWith } from "./test_driver.ts";

const hostile = ["büro & \"Lab\"  'x'", "-leading", "a;b", "$HOME", "%s", "ü🧪", "back\\slash"];

Deno.test("findDomain finds a domain whatever its name", async () => {
  await using driver = await virshWith(hostile);
  assert.deepEqual(
    await listDomains(driver.virsh),
    hostile.map((name, index) => ({ name, uuid: uuidOf(index) })).sort((a, b) =>
      order(hostile, a.name) - order(hostile, b.name)
    ),
  );
  for (const [index, name] of hostile.entries()) {
    assert.deepEqual(await findDomain(driver.virsh, name), { name, uuid: uuidOf(index) });
    assert.equal(await domainState(driver.virsh, { name, uuid: uuidOf(index) }), "running");
  }
});

Deno.test("findDomain takes a name of digits for a name, not for a run-time id", async () => {
  await assert.rejects(findDomain(testVirsh, "1"), { code: "libvirt.no-domain" });
  await using driver = await virshWith(["2", "1"]);
  assert.equal((await findDomain(driver.virsh, "1")).uuid, uuidOf(1));
  assert.equal((await findDomain(driver.virsh, "2")).uuid, uuidOf(0));
});

Deno.test("findDomain names the closest domain there is", async () => {
  assert.deepEqual(await findDomain(testVirsh, "test"), testDomain);
  await assert.rejects(findDomain(testVirsh, "tset"), (error) => {
    assert.ok(error instanceof VmbError);
    assert.equal(error.message, 'No VM "tset" in libvirt at test:///default');
    assert.equal(error.hint, 'Did you mean "test"?');
    assert.equal(error.exit, 10);
    return true;
  });
  await assert.rejects(findDomain(testVirsh, "quite-other"), {
    code: "libvirt.no-domain",
    hint: "List the VMs with: virsh -c test:///default list --all",
  });
  await assert.rejects(findDomain(testVirsh, testDomain.uuid), { code: "libvirt.no-domain" });
});

Deno.test("domainState is undefined for a domain that is gone, and an error without libvirt", async () => {
  const gone = { name: "gone", uuid: uuidOf(0) };
  assert.equal(await domainState(testVirsh, testDomain), "running");
  assert.equal(await domainState(testVirsh, gone), undefined);
  const silent = openVirsh(systemProcesses, "qemu+unix:///system?socket=/nonexistent/socket");
  for (
    const ask of [
      () => domainState(silent, gone),
      () => runningBackupXml(silent, gone),
      () => endBackupJob({ virsh: silent, system: realSystem }, gone, "/scratch"),
      () => findDomain(silent, "gone"),
      () => domainRunId(silent, gone),
    ]
  ) {
    await assert.rejects(ask(), { code: "libvirt.connect", exit: 5 }, String(ask));
  }
});

Deno.test("domainInfo and its neighbours read what virsh says of a domain", async () => {
  assert.deepEqual(await domainInfo(testVirsh, testDomain), {
    autostart: false,
    persistent: true,
    managedSave: false,
  });
  const size = await domainBlockSizes(testVirsh, testDomain, "vda");
  assert.ok(size && size.capacity > 2 ** 39 && size.allocation > 2 ** 39, JSON.stringify(size));
  assert.deepEqual(await domainMoments(testVirsh, testDomain), { snapshots: [], checkpoints: [] });
  assert.equal(await domainRunId(testVirsh, testDomain), "1");
  assert.equal(await runningBackupXml(testVirsh, testDomain), undefined);
  assert.equal(
    await endBackupJob({ virsh: testVirsh, system: realSystem }, testDomain, "/scratch"),
    false,
  );
  const { libvirt, qemu } = await versions(testVirsh);
  assert.match(libvirt ?? "", /^\d+\.\d+/);
  assert.equal(qemu, null);
});

Deno.test("liveXml and persistentXml give XML that describeDomain reads", async () => {
  for (
    const xml of [await liveXml(testVirsh, testDomain), await persistentXml(testVirsh, testDomain)]
  ) {
    const { name, uuid, disks } = describeDomain(xml);
    assert.deepEqual({ name, uuid }, testDomain);
    assert.deepEqual(disks.map(({ target, source }) => [target, source]), [[
      "vda",
      "/guest/diskimage1",
    ]]);
  }
});

function order(names: readonly string[], name: string): number {
  return names.indexOf(name);
}
