import assert from "node:assert/strict";
import { assertBackupImage } from "../../../core/image/backup_image.ts";
import { serveImages } from "../../../core/image/export_server.ts";
import { imageProblem } from "../../../core/proof/image_check.ts";
import { restoreImage } from "../../../core/restore/restore_image.ts";
import { systemFiles } from "../../../core/sys/files.ts";
import { realSystem } from "../../../core/sys/system.ts";
import { temporaryFolder } from "../nbd/servers.ts";
import { qemu } from "../qcow2/qemu_img.ts";

const size = 1024 * 1024;
const signal = new AbortController().signal;

/** Images that would have QEMU open a file of the host, or that are no image at all. */
const foreign: readonly [string, (path: string, host: string) => Promise<unknown>, RegExp][] = [
  [
    "a backing file",
    (path, host) => qemu("qemu-img", "create", "-q", "-f", "qcow2", "-b", host, "-F", "raw", path),
    /stands on another file/,
  ],
  [
    "a backing file by json:",
    (path, host) =>
      qemu(
        "qemu-img",
        ...["create", "-q", "-f", "qcow2", "-F", "raw", "-b"],
        ...[`json:{"driver":"raw","file":{"driver":"file","filename":"${host}"}}`, path],
      ),
    /stands on another file/,
  ],
  [
    "an external data file",
    (path, host) =>
      qemu(
        "qemu-img",
        ...["create", "-q", "-f", "qcow2", "-o"],
        ...[`data_file=${host},data_file_raw=on`, path, "1M"],
      ),
    /incompatible_features/,
  ],
  [
    "a LUKS header",
    (path) =>
      qemu(
        "qemu-img",
        ...["create", "-q", "-f", "qcow2", "--object", "secret,id=s,data=x", "-o"],
        ...["encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10", path, "1M"],
      ),
    /crypt_method/,
  ],
  [
    "extended L2 entries",
    (path) => qemu("qemu-img", "create", "-q", "-f", "qcow2", "-o", "extended_l2=on", path, "1M"),
    /incompatible_features/,
  ],
  [
    "version 2",
    (path) => qemu("qemu-img", "create", "-q", "-f", "qcow2", "-o", "compat=0.10", path, "1M"),
    /version/,
  ],
  ["an internal snapshot", async (path) => {
    await qemu("qemu-img", "create", "-q", "-f", "qcow2", path, "1M");
    await qemu("qemu-img", "snapshot", "-c", "x", path);
  }, /nb_snapshots/],
  [
    "another size",
    (path) => qemu("qemu-img", "create", "-q", "-f", "qcow2", path, "9G"),
    /a disk of 9663676416 bytes/,
  ],
  [
    "other clusters",
    (path) => qemu("qemu-img", "create", "-q", "-f", "qcow2", "-o", "cluster_size=4k", path, "1M"),
    /clusters have 4096/,
  ],
  [
    "a VMDK descriptor",
    (path, host) =>
      Deno.writeTextFile(
        path,
        `# Disk DescriptorFile\nversion=1\ncreateType="monolithicFlat"\nRW 2048 FLAT "${host}" 0\n`,
      ),
    /magic/,
  ],
  ["nothing", (path) => Deno.writeTextFile(path, ""), /magic/],
];

Deno.test("an image of the share that names a file of the host is opened by nothing", async () => {
  await using folder = await temporaryFolder();
  const host = `${folder.path}/shadow`;
  const path = `${folder.path}/gw-1-vda.qcow2`;
  for (const [name, make, words] of foreign) {
    await Deno.writeFile(host, new Uint8Array(size).fill(7));
    await make(path, host);
    await assert.rejects(
      assertBackupImage(systemFiles, { path, virtualSize: size }),
      { code: "image.foreign", exit: 6, message: words },
      name,
    );
    await Deno.remove(path);
  }
});

Deno.test("restoreImage writes no image that names another file, in whatever form", async () => {
  await using folder = await temporaryFolder();
  const [host, path] = [`${folder.path}/shadow`, `${folder.path}/gw-1-vda.qcow2`];
  await Deno.writeFile(host, new Uint8Array(size).fill(7));
  await qemu("qemu-img", "create", "-q", "-f", "qcow2", "-b", host, "-F", "raw", path);
  const target = `${folder.path}/restored`;
  const restore = async (form: "copy" | "raw" | "qcow2") => {
    const bytes = await Deno.readFile(path);
    const sha256 = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
    await restoreImage(realSystem, {
      ...{ image: path, size: bytes.length, sha256, target, form, virtualSize: size },
      ...{ below: folder.path, stallMs: 60_000, signal, onProgress: () => {} },
    });
  };
  for (const form of ["copy", "raw", "qcow2"] as const) {
    await assert.rejects(restore(form), { code: "image.foreign", exit: 6 }, form);
    await Deno.remove(target);
  }
  await Deno.writeTextFile(path, "");
  await assert.rejects(restore("copy"), { code: "image.foreign" });
});

Deno.test("what QEMU is told to open alone is all that it opens, whatever the header came to say", async () => {
  await using folder = await temporaryFolder();
  const [host, path] = [`${folder.path}/shadow`, `${folder.path}/a,b "c".qcow2`];
  await Deno.writeFile(host, new Uint8Array(size).fill(7));
  const image = { target: "vda", path, format: "qcow2", alone: true };
  const folders = { sockets: folder.path, logs: folder.path };

  await qemu("qemu-img", "create", "-q", "-f", "qcow2", "-b", host, "-F", "raw", path);
  assert.equal(
    await imageProblem(realSystem.processes, path, { signal, timeoutMs: 60_000 }),
    undefined,
  );
  const server = await serveImages(realSystem, [image], folders);
  const [{ socketPath = "" } = {}] = server.exports;
  const copy = `${folder.path}/copy.raw`;
  await qemu("qemu-img", "convert", "-O", "raw", `nbd+unix:///vda?socket=${socketPath}`, copy);
  assert.ok((await Deno.readFile(copy)).every((byte) => byte === 0), "the host's file was served");
  await server.stop();
  await Deno.remove(path);

  await qemu(
    "qemu-img",
    "create",
    "-q",
    "-f",
    "qcow2",
    "-o",
    `data_file=${host},data_file_raw=on`,
    path,
    "1M",
  );
  await assert.rejects(serveImages(realSystem, [image], folders), {
    code: "image.foreign",
    message: /it had qemu-nbd open ".*\/shadow"/,
  });
});
