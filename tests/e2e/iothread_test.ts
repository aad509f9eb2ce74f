import assert from "node:assert/strict";
import { randomSeed } from "../../core/block_map/cluster_digest.ts";
import type { CaptureContext } from "../../core/capture/context.ts";
import { captureQuiesced } from "../../core/capture/quiesce.ts";
import { copyDisks } from "../../core/backup/copy_disks.ts";
import { makeRunFolders, runFolders } from "../../core/journal/folders.ts";
import { describeDomain } from "../../core/libvirt/domain_xml.ts";
import { domainRunId, findDomain, liveXml } from "../../core/libvirt/domain.ts";
import { openVirsh } from "../../core/libvirt/virsh.ts";
import { realSystem } from "../../core/sys/system.ts";
import { journalWith } from "../core/journal/records.ts";
import { createGuest } from "../lab/guest.ts";
import { openLab } from "../lab/lab.ts";
import { assertEnded, assertUndisturbed, hypervisorName, openSite } from "./site.ts";

/** How a copy ends: well, by an error of its own, or because the run was stopped. */
const endings = ["success", "error", "signal", "success"] as const;

/**
 * QEMU before 8.2.3 ends a VM whose disk has an iothread when a connection to its backup job is closed too
 * early. So what the program refuses there is done here: our own captures must not be what closes it.
 */
Deno.test("a VM with an iothread outlives every end of a backup", async (t) => {
  await using lab = await openLab();
  const site = await openSite(lab);
  const { virsh: ask, uri } = site.hypervisor;
  const guest = await createGuest(site.hypervisor, {
    name: "iot",
    kind: "two-disks",
    iothread: "virtio-blk",
    dataMiB: 8,
  });
  await guest.start();
  await guest.waitForAgent();
  const virsh = openVirsh(realSystem.processes, uri);
  const domain = await findDomain(virsh, guest.name);
  const runId = await domainRunId(virsh, domain);
  const description = describeDomain(await liveXml(virsh, domain));

  for (const [round, ending] of endings.entries()) {
    await t.step(`capture ${round}: ${ending}`, async () => {
      const run = `vmb-2026-11-21-12000${round}-1`;
      const folders = runFolders({ scratchDir: site.scratch, stateDir: site.state }, run);
      await makeRunFolders(realSystem, folders, description.owner);
      const journal = await journalWith(lab.folder, [], { run });
      const context: CaptureContext = {
        system: realSystem,
        virsh,
        domain,
        description,
        disks: description.disks,
        journal,
        ...folders,
        freezeTimeoutSeconds: 10,
        agentAnswers: true,
        crashAccepted: false,
        guestHooks: { beforeFreeze: undefined, afterThaw: undefined },
        managedSave: false,
        report: () => {},
      };
      const capture = await captureQuiesced(context);
      assert.equal(capture.consistency, "filesystem");
      const stop = new AbortController();
      const folder = `${lab.folder}/copy-${round}`;
      if (ending !== "error") await Deno.mkdir(folder);
      if (ending === "signal") queueMicrotask(() => stop.abort(new Error("stopped")));
      const copying = copyDisks(realSystem, capture, {
        vm: "iot",
        folder,
        below: folder,
        compression: "none",
        seed: randomSeed(),
        checksum: false,
        onDurable: () => {},
        bandwidthLimit: undefined,
        shareTimeoutSeconds: 30,
        parallelDisks: 2,
        scratchFolder: folders.scratchFolder,
        leastLocalBytes: 0,
        report: () => {},
        signal: stop.signal,
      });
      if (ending === "success") await copying;
      else await assert.rejects(copying);
      assert.equal(await capture.ended(), undefined);
      await capture.release();
      await journal.end();
      assert.equal(await domainRunId(virsh, domain), runId, "the VM died");
      for (const each of Object.values(folders)) await Deno.remove(each, { recursive: true });
      await assertUndisturbed(site, guest);
    });
  }

  await t.step("the program takes the method that suits its QEMU, and says why", async () => {
    await site.listVms([{ name: guest.name, hypervisor: hypervisorName }]);
    const version = /Running hypervisor: QEMU (\d+)\.(\d+)\.(\d+)/.exec(await ask("version"));
    const [, major = 0, minor = 0, micro = 0] = version?.map(Number) ?? [];
    const isOld = major * 1e4 + minor * 100 + micro < 80203;
    const auto = await site.vmb("hv", "backup", guest.name, "--json");
    assertEnded(auto, 0);
    assert.equal(JSON.parse(auto.stdout).manifest.method, isOld ? "snapshot" : "quiesce");
    if (isOld) {
      assert.match(auto.stderr, /Method snapshot is used: vda, vdb have an iothread, and QEMU/);
      const asked = await site.vmb("hv", "backup", guest.name, "--method", "quiesce");
      assertEnded(asked, 6);
      assert.match(asked.stderr, /method quiesce endangers it/);
    }
    assert.equal(await domainRunId(virsh, domain), runId, "the VM died");
    await assertUndisturbed(site, guest);
  });
});
