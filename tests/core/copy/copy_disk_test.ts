import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { createClusterDigest } from "../../../core/block_map/cluster_digest.ts";
import { decodeBlockMap } from "../../../core/block_map/decoder.ts";
import { firstDifference } from "../../../core/block_map/file_digest.ts";
import type { CopiedDisk, CopyOptions } from "../../../core/copy/copy_disk.ts";
import { readBack } from "../../../core/repository/read_back.ts";
import { systemProcesses } from "../../../core/sys/process.ts";
import { startNbdkit, startQemuNbd, temporaryFolder } from "../nbd/servers.ts";
import { check, qemu } from "../qcow2/qemu_img.ts";
import { copyFrom, rawImage, serveRaw, writeNoise } from "./copying.ts";

const clusterSize = 65_536;
const MiB = 1024 ** 2;
const zeros = new Uint8Array(clusterSize);

Deno.test("copyDisk makes an image of the same content, and a map of every cluster", async () => {
  for (
    const { size, writes, noise = [], compression } of [
      { size: 0, writes: [], compression: "none" },
      { size: 512, writes: ["-P 7 0 512"], compression: "none" },
      { size: 8 * MiB, writes: [], compression: "none" },
      { size: 65_536 + 512, writes: ["-P 1 65536 512"], compression: "none" },
      {
        // The last cluster is partial; data lies across a segment's start (512 MiB).
        size: 513 * MiB + 1536,
        writes: ["-P 3 65000 70000", `-P 4 ${512 * MiB - 100} 200`, `-P 5 ${513 * MiB} 1536`],
        noise: [[3 * MiB + 17, 5 * MiB]],
        compression: "none",
      },
      {
        // More chunks than buffers: the last one, which is partial, comes in a buffer that held data.
        size: 30 * MiB + 512,
        writes: [],
        noise: [[0, 30 * MiB + 512]],
        compression: "none",
      },
      {
        size: 20 * MiB + 512,
        writes: ["-P 3 0 2M", `-P 9 ${20 * MiB} 512`],
        noise: [[4 * MiB, 3 * MiB + 1000]],
        compression: "zstd",
      },
    ] as const satisfies readonly {
      size: number;
      writes: readonly string[];
      noise?: readonly (readonly [number, number])[];
      compression: CopyOptions["compression"];
    }[]
  ) {
    await using folder = await temporaryFolder();
    const raw = `${folder.path}/raw`;
    await rawImage(raw, size, writes);
    for (const [offset, length] of noise) await writeNoise(raw, offset, length);
    await using server = await serveRaw(raw);
    const progress: [number, number][] = [];
    const copy = await copyFrom(server, folder.path, {
      compression,
      checksum: true,
      digestThreads: compression === "none" ? 1 : 3,
      onProgress: (done, total) => progress.push([done, total]),
    });
    assert.equal(copy.virtualSize, size);
    await assertSame(folder.path, copy);
    for (const [index, [done, total]] of progress.entries()) {
      assert.ok(done > (progress[index - 1]?.[0] ?? 0) && done <= total);
    }
    assert.equal(progress.at(-1)?.[0], progress.at(-1)?.[1]);
  }
});

Deno.test("copyDisk gives one content digest for one content, whatever its format and layout", async () => {
  await using folder = await temporaryFolder();
  const raw = `${folder.path}/raw`;
  const qcow2 = `${folder.path}/source.qcow2`;
  await rawImage(raw, 30 * MiB + 512, ["-P 3 0 2M", "-P 4 20M 1M"]);
  await writeNoise(raw, 6 * MiB + 5, MiB);
  await qemu(
    "qemu-img",
    "convert",
    "-f",
    "raw",
    "-O",
    "qcow2",
    "-o",
    "cluster_size=4k",
    raw,
    qcow2,
  );
  const digests: string[] = [];
  for (
    const [name, start, compression] of [
      ["raw", () => serveRaw(raw), "none"],
      ["qcow2", () => startQemuNbd("--format=qcow2", qcow2), "none"],
      ["zstd", () => serveRaw(raw), "zstd"],
      // It tells nothing of its allocation: everything is read, and zeros are found.
      ["dense", () => startNbdkit("--filter=nozero", "file", raw, "cache=none"), "none"],
    ] as const
  ) {
    await using server = await start();
    const place = `${folder.path}/copy-of-${name}`;
    await Deno.mkdir(place);
    digests.push((await copyFrom(server, place, { compression })).contentDigest);
  }
  assert.equal(new Set(digests).size, 1, digests.join("\n"));
});

Deno.test("copyDisk of zeros that the export calls data corrects its header, and knows what it sent", async () => {
  await using folder = await temporaryFolder();
  // nbdkit's memory plugin without extents: a disk of data that is all zero.
  await using server = await startNbdkit("--filter=noextents", "memory", "24M");
  const copy = await copyFrom(server, folder.path);
  assert.deepEqual([copy.readBytes, copy.storedBytes], [24 * MiB, 0]);
  assert.ok(copy.corrected);
  const image = `${folder.path}/copy.qcow2`;
  await check(image);
  const read = await readBack({ processes: systemProcesses }, image, {
    seed: copy.seed,
    dropCache: true,
    signal: new AbortController().signal,
  });
  assert.equal(firstDifference(copy.fileDigests, read.digests ?? new Uint8Array()), undefined);
  assert.equal(read.size, copy.fileSize);
  assert.deepEqual(
    [...decodeBlockMap(await Deno.readFile(`${folder.path}/copy.blockmap`)).entries],
    [],
  );
});

Deno.test("copyDisk takes no file that is there already", async () => {
  for (const name of ["copy.qcow2", "copy.blockmap"]) {
    await using folder = await temporaryFolder();
    await using server = await startNbdkit("memory", "1M");
    await Deno.writeTextFile(`${folder.path}/${name}`, "precious");
    await assert.rejects(copyFrom(server, folder.path), {
      code: "copy.failed",
      message: /^Write of ".*copy\.qcow2" failed: EEXIST/,
    });
    assert.equal(await Deno.readTextFile(`${folder.path}/${name}`), "precious");
  }
});

/** Compares image and map with the raw file, byte by byte, by programs that are not ours. */
async function assertSame(folder: string, copy: CopiedDisk): Promise<void> {
  const [raw, image, mapPath] = [
    `${folder}/raw`,
    `${folder}/copy.qcow2`,
    `${folder}/copy.blockmap`,
  ];
  await check(image);
  await qemu("qemu-img", "compare", "-f", "raw", "-F", "qcow2", raw, image);
  const bytes = await Deno.readFile(image);
  assert.equal(bytes.length, copy.fileSize);
  if (!copy.corrected) assert.equal(copy.sha256, sha256(bytes));
  const read = await readBack({ processes: systemProcesses }, image, {
    seed: copy.seed,
    dropCache: true,
    signal: new AbortController().signal,
  });
  assert.deepEqual([read.sha256, read.size], [sha256(bytes), bytes.length]);
  assert.equal(firstDifference(copy.fileDigests, read.digests ?? new Uint8Array()), undefined);
  const mapBytes = await Deno.readFile(mapPath);
  assert.equal(mapBytes.length, copy.blockMapSize);
  assert.equal(sha256(mapBytes), copy.blockMapSha256);

  const map = decodeBlockMap(mapBytes);
  const { virtualSize } = map;
  assert.deepEqual([virtualSize, map.seed], [copy.virtualSize, copy.seed]);
  const found = new Map([...map.entries].map(({ cluster, digest }) => [cluster, digest.toHex()]));
  assert.equal(map.contentDigest(), copy.contentDigest);
  const hasher = await createClusterDigest(copy.seed);
  using source = await Deno.open(raw);
  const buffer = new Uint8Array(clusterSize);
  for (let cluster = 0; cluster * clusterSize < virtualSize; cluster++) {
    buffer.fill(0);
    await source.seek(cluster * clusterSize, Deno.SeekMode.Start);
    for (let done = 0; done < buffer.length;) {
      const count = await source.read(buffer.subarray(done));
      if (count === null) break;
      done += count;
    }
    const expected = Buffer.compare(buffer, zeros) === 0 ? undefined : hasher.of(buffer).toHex();
    assert.equal(found.get(cluster), expected, `cluster ${cluster}`);
    found.delete(cluster);
  }
  assert.equal(found.size, 0);
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
