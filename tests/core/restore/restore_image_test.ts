import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { VmbError } from "../../../core/error.ts";
import { restoreImage, type RestoreStart } from "../../../core/restore/restore_image.ts";
import { realSystem } from "../../../core/sys/system.ts";
import { copyFrom, rawImage, serveRaw, writeNoise } from "../copy/copying.ts";
import { temporaryFolder } from "../nbd/servers.ts";
import { qemu } from "../qcow2/qemu_img.ts";

/** Bytes; neither a multiple of a cluster nor of what is read at once, and of two segments. */
const diskSize = 600 * 1024 ** 2 + 1024;

/** Backs up a disk with noise, text and zeros in it, some of it in its last cluster. */
async function backUp(
  folder: string,
  compression: "none" | "zstd",
): Promise<Omit<RestoreStart, "target" | "form">> {
  const raw = `${folder}/disk.raw`;
  await rawImage(raw, diskSize, [
    ...["-P 17 64k 900k", "-P 0 2M 64k", "-P 18 3M 4k", "-P 19 530M 5M"],
    `-P 20 ${diskSize - 512} 512`,
  ]);
  await writeNoise(raw, 10 * 1024 ** 2, 7 * 1024 ** 2 + 777);
  await writeNoise(raw, 511 * 1024 ** 2, 3 * 1024 ** 2);
  await using server = await serveRaw(raw);
  const { fileSize } = await copyFrom(server, folder, { compression });
  const image = `${folder}/copy.qcow2`;
  return { image, size: fileSize, sha256: await sha256Of(image), virtualSize: diskSize };
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of (await Deno.open(path)).readable) hash.update(chunk);
  return hash.digest("hex");
}

function restore(start: RestoreStart, signal = new AbortController().signal): Promise<void> {
  return restoreImage(realSystem, { ...start, stallMs: 60_000, signal, onProgress: () => {} });
}

for (const compression of ["none", "zstd"] as const) {
  Deno.test(`restoreImage gives back the disk in every form, from an image with compression ${compression}`, async () => {
    await using folder = await temporaryFolder();
    const backup = await backUp(folder.path, compression);
    const raw = `${folder.path}/disk.raw`;
    for (const form of ["raw", "qcow2", ...compression === "none" ? ["copy"] : []] as const) {
      const target = `${folder.path}/restored.${form}`;
      await restore({ ...backup, target, form: form as RestoreStart["form"] });
      const format = form === "raw" ? "raw" : "qcow2";
      await qemu("qemu-img", "compare", "-f", "raw", "-F", format, raw, target);
      const info = await Deno.stat(target);
      assert.equal((info.mode ?? 0) & 0o777, 0o600);
      assert.ok((info.blocks ?? 0) * 512 < 24 * 1024 ** 2, `${form} is not sparse`);
      if (form === "raw") assert.equal(info.size, diskSize);
      else await qemu("qemu-img", "check", "-f", "qcow2", target);
      if (form === "copy") assert.equal(await sha256Of(target), backup.sha256);
    }
  });

  Deno.test(`restoreImage names an image in which a bit was changed, with compression ${compression}`, async () => {
    await using folder = await temporaryFolder();
    const backup = await backUp(folder.path, compression);
    const form = compression === "none" ? "copy" : "raw";
    const places = [5, 70_000, Math.floor(backup.size / 2), backup.size - 65_536, backup.size - 1];
    for (const [index, place] of places.entries()) {
      using file = await Deno.open(backup.image, { read: true, write: true });
      const flip = async () => {
        const byte = new Uint8Array(1);
        await file.seek(place, Deno.SeekMode.Start);
        await file.read(byte);
        await file.seek(place, Deno.SeekMode.Start);
        await file.write(byte.map((value) => value ^ 4));
      };
      await flip();
      await assert.rejects(
        restore({ ...backup, target: `${folder.path}/out-${index}`, form }),
        (error) => error instanceof VmbError && /^(restore|qcow2|image)\./.test(error.code),
      );
      await flip();
    }
    await restore({ ...backup, target: `${folder.path}/whole`, form });
  });
}

Deno.test("restoreImage says by which checksum an image is wrong, and how long it should be", async () => {
  await using folder = await temporaryFolder();
  const backup = await backUp(folder.path, "none");
  const target = `${folder.path}/out`;
  await assert.rejects(
    restore({ ...backup, sha256: "0".repeat(64), target, form: "copy" }),
    {
      code: "restore.checksum",
      exit: 6,
      message: /copy\.qcow2" is not what .* SHA-256 is [0-9a-f]{64}, and was 0{64}/,
    },
  );
  await Deno.truncate(backup.image, backup.size - 1);
  await assert.rejects(
    restore({ ...backup, target: `${target}2`, form: "raw" }),
    { code: "restore.checksum", message: /it has \d+ bytes, and had \d+/ },
  );
});

Deno.test("restoreImage writes over no file, and ends when it is told to", async () => {
  await using folder = await temporaryFolder();
  const backup = await backUp(folder.path, "none");
  const target = `${folder.path}/there`;
  await Deno.writeTextFile(target, "mine");
  await assert.rejects(restore({ ...backup, target, form: "raw" }), { code: "copy.failed" });
  assert.equal(await Deno.readTextFile(target), "mine");
  const stop = new AbortController();
  const reason = new Error("stopped");
  const restoring = restoreImage(realSystem, {
    ...backup,
    target: `${target}2`,
    form: "copy",
    stallMs: 60_000,
    signal: stop.signal,
    onProgress: () => stop.abort(reason),
  });
  await assert.rejects(restoring, reason);
});
