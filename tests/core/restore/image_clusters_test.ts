import assert from "node:assert/strict";
import { readClusters } from "../../../core/restore/image_clusters.ts";
import { openSource, type Source } from "../../../core/sys/files.ts";
import { copyFrom, rawImage, serveRaw } from "../copy/copying.ts";
import { temporaryFolder } from "../nbd/servers.ts";
import { qemu } from "../qcow2/qemu_img.ts";

const pieceSize = 16 * 65_536;

function pass(source: Source): Promise<void> {
  return readClusters(source, { pieceSize, onRead: () => {}, onClusters: () => {} });
}

/** A file server that gives one answer to small reads and another to the pass over the whole file. */
function twoFaced(source: Source, place: number): Source {
  return {
    ...source,
    readAt(buffer, offset) {
      const count = source.readAt(buffer, offset);
      const at = place - offset;
      if (buffer.length === pieceSize && at >= 0 && at < count) buffer[at] = (buffer[at] ?? 0) ^ 1;
      return count;
    },
  };
}

Deno.test("readClusters notices a table that the pass reads otherwise than it was followed", async () => {
  await using folder = await temporaryFolder();
  const raw = `${folder.path}/disk.raw`;
  await rawImage(raw, 8 * 1024 ** 2, ["-P 5 64k 3M"]);
  await using server = await serveRaw(raw);
  const { fileSize } = await copyFrom(server, folder.path);
  const source = await openSource(`${folder.path}/copy.qcow2`);
  try {
    await pass(source);
    // In the header, in the L2 table behind the data, and in the refcount table at the end.
    for (const place of [60, 65_536 * 49 + 9, fileSize - 65_536 * 2]) {
      await assert.rejects(pass(twoFaced(source, place)), {
        code: "restore.image",
        message: /its table at \d+ changed while it was read|a table lies outside/,
      }, `place ${place}`);
    }
  } finally {
    source.close();
  }
});

Deno.test("readClusters refuses an image that another program laid out", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/other.qcow2`;
  await qemu("qemu-img", "create", "-q", "-f", "qcow2", path, "16M");
  await qemu("qemu-io", "-c", "write -P 1 8M 4M", "-c", "write -P 2 1M 64k", path);
  const source = await openSource(path);
  try {
    await assert.rejects(pass(source), { code: "restore.image" });
  } finally {
    source.close();
  }
});
