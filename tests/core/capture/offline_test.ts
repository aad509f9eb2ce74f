import assert from "node:assert/strict";
import type { CaptureContext } from "../../../core/capture/context.ts";
import { captureOffline } from "../../../core/capture/offline.ts";
import { describeDomain } from "../../../core/libvirt/domain_xml.ts";
import { processesUsing } from "../../../core/undo/stray.ts";
import { realSystem } from "../../../core/sys/system.ts";
import { uuidOf, virshWith } from "../libvirt/test_driver.ts";
import { temporaryFolder } from "../nbd/servers.ts";
import { rawImage } from "../copy/copying.ts";
import { journalWith } from "../journal/records.ts";

Deno.test("captureOffline serves the images of a domain that stays off", async () => {
  await using stand = await machine("shut off");
  const capture = await captureOffline(stand.context);
  try {
    assert.deepEqual([capture.method, capture.consistency], ["offline", "offline"]);
    assert.equal(capture.frozen, undefined);
    const [disk] = capture.disks;
    const bytes = new Uint8Array(2 ** 20);
    await disk?.client.read(0, bytes);
    assert.deepEqual([disk?.target, disk?.client.size], ["vda", 2 ** 20]);
    assert.ok(bytes.every((byte) => byte === 7));
    await capture.assertWhole();
  } finally {
    await Promise.all([capture.release(), capture.release()]);
  }
  assert.deepEqual(await processesUsing(realSystem, stand.path), []);
});

Deno.test("captureOffline is lost when an image changes, or the domain runs", async () => {
  await using stand = await machine("shut off");
  const capture = await captureOffline(stand.context);
  try {
    await Deno.writeTextFile(stand.image, "x");
    await assert.rejects(capture.assertWhole(), {
      code: "capture.lost",
      message: /^The capture of "gw-1" was lost: its image ".*" changed during the offline copy$/,
    });
  } finally {
    await capture.release();
  }
  await using started = await machine("running");
  const second = await captureOffline(started.context);
  try {
    await assert.rejects(second.assertWhole(), { code: "capture.lost", message: /was started/ });
  } finally {
    await second.release();
  }
});

Deno.test("captureOffline of a guest with a saved memory image is crash-consistent", async () => {
  await using stand = await machine("shut off");
  const capture = await captureOffline({ ...stand.context, managedSave: true });
  await capture.release();
  assert.equal(capture.consistency, "crash");
});

Deno.test("captureOffline that cannot serve an image leaves nothing running", async () => {
  await using stand = await machine("shut off");
  await Deno.remove(stand.image);
  await assert.rejects(captureOffline(stand.context), { code: "capture.export" });
  assert.deepEqual(await processesUsing(realSystem, stand.path), []);
});

async function machine(state: "running" | "shut off") {
  const folder = await temporaryFolder();
  const driver = await virshWith(["gw-1"], state);
  const image = `${folder.path}/a,b.img`;
  await rawImage(image, 2 ** 20, ["-P 7 0 1M"]);
  const description = describeDomain(`<domain><devices><disk type='file' device='disk'>
    <driver type='raw'/><source file='${image}'/><target dev='vda' bus='virtio'/></disk></devices></domain>`);
  const journal = await journalWith(folder.path, []);
  const context: CaptureContext = {
    system: realSystem,
    virsh: driver.virsh,
    domain: { name: "gw-1", uuid: uuidOf(0) },
    description,
    disks: description.disks,
    journal,
    scratchFolder: folder.path,
    stagingFolder: folder.path,
    freezeTimeoutSeconds: 5,
    agentAnswers: false,
    crashAccepted: false,
    guestHooks: { beforeFreeze: undefined, afterThaw: undefined },
    managedSave: false,
    report: () => {},
  };
  return {
    path: folder.path,
    image,
    context,
    [Symbol.asyncDispose]: async () => {
      await journal.end();
      await driver[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}
