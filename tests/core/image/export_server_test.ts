import assert from "node:assert/strict";
import { serveImages } from "../../../core/image/export_server.ts";
import { processesUsing } from "../../../core/undo/stray.ts";
import { realSystem } from "../../../core/sys/system.ts";
import { outputJson, temporaryFolder } from "../nbd/servers.ts";
import { qemu } from "../qcow2/qemu_img.ts";

Deno.test("serveImages serves images read-only, whatever their paths, even under a write lock", async () => {
  await using folder = await temporaryFolder();
  const odd = `${folder.path}/it's, "odd" = büro,file.filename=x`;
  await Deno.mkdir(odd);
  await qemu("qemu-img", "create", "-f", "qcow2", `${odd}/a,b.qcow2`, "3M");
  await qemu("qemu-img", "create", "-f", "raw", `${odd}/c.img`, "5M");
  // A domain that runs on the image holds the lock that this server holds here.
  const locking = new Deno.Command("qemu-nbd", {
    args: ["--persistent", `--socket=${folder.path}/lock.sock`, "--format=raw", `${odd}/c.img`],
  }).spawn();
  try {
    const server = await serveImages(realSystem, [
      { target: "vda", path: `${odd}/a,b.qcow2`, format: "qcow2" },
      { target: "vdb", path: `${odd}/c.img`, format: "raw" },
    ], { sockets: folder.path, logs: folder.path });
    try {
      const sizes = [];
      for (const { target, socketPath, exportName } of server.exports) {
        assert.equal(exportName, target);
        const uri = `nbd+unix:///${exportName}?socket=${socketPath}`;
        const info = await outputJson("nbdinfo", "--json", uri) as {
          exports: { "export-size": number; is_read_only: boolean }[];
        };
        assert.equal(info.exports[0]?.is_read_only, true);
        sizes.push(info.exports[0]["export-size"]);
      }
      assert.deepEqual(sizes, [3 * 2 ** 20, 5 * 2 ** 20]);
    } finally {
      await server.stop();
    }
    await server.stop();
  } finally {
    locking.kill("SIGKILL");
    await locking.status;
  }
  assert.deepEqual(await processesUsing(realSystem, folder.path), []);
});

Deno.test("serveImages of an image that cannot be served says why, and leaves no server", async () => {
  await using folder = await temporaryFolder();
  await qemu("qemu-img", "create", "-f", "raw", `${folder.path}/a.img`, "1M");
  const images = [
    { target: "vda", path: `${folder.path}/a.img`, format: "raw" },
    { target: "vdb", path: `${folder.path}/a.img`, format: "qcow2" },
  ];
  const folders = { sockets: folder.path, logs: folder.path };
  await assert.rejects(serveImages(realSystem, images, folders), {
    code: "capture.export",
    message: /^Image ".*a\.img" cannot be served: qemu-nbd: .*not in qcow2 format/i,
  });
  assert.deepEqual(await processesUsing(realSystem, folder.path), []);
});

Deno.test("serveImages asks an image what it is: below /dev/shm lie files", async () => {
  await using folder = await temporaryFolder();
  const path = await Deno.makeTempFile({ dir: "/dev/shm", suffix: ".raw" });
  try {
    await Deno.truncate(path, 2 ** 20);
    const server = await serveImages(realSystem, [{ target: "vda", path, format: "raw" }], {
      sockets: folder.path,
      logs: folder.path,
    });
    assert.equal(server.exports.length, 1);
    await server.stop();
  } finally {
    await Deno.remove(path);
  }
});
