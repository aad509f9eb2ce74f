import assert from "node:assert/strict";
import { runOk, systemProcesses } from "../../../core/sys/process.ts";
import { copyFrom, rawImage, serveRaw, writeNoise } from "../copy/copying.ts";
import { startQemuNbd, temporaryFolder } from "../nbd/servers.ts";
import { qemu } from "../qcow2/qemu_img.ts";

const MiB = 1024 ** 2;
const python = "/usr/bin/python3";
const noReader = await systemProcesses.run([python, "-c", "import xxhash"])
  .then(({ code }) => code !== 0, () => true);
const script = new URL("other_reader.py", import.meta.url).pathname;

Deno.test(
  "a reader in another language recomputes block map and content digest from each image",
  { ignore: noReader },
  async () => {
    const seeds = ["0000000000000000", "fedcba9876543210", "00000000000000ff"];
    for (
      const [index, { size, noise, writes = [] }] of [
        { size: 0, noise: [] },
        { size: 512, noise: [[0, 512]] },
        { size: 3 * MiB + 65_536 - 512, noise: [[MiB + 7, MiB], [3 * MiB, 65_024]] },
        {
          size: 513 * MiB + 1536,
          noise: [[5 * MiB, 2 * MiB + 3], [513 * MiB, 1536]],
          writes: ["-P 3 0 2M", `-P 4 ${512 * MiB - 100} 200`],
        },
      ].entries() as ArrayIterator<
        [number, { size: number; noise: [number, number][]; writes?: string[] }]
      >
    ) {
      await using folder = await temporaryFolder();
      const raw = `${folder.path}/raw`;
      await rawImage(raw, size, writes);
      for (const [offset, length] of noise) await writeNoise(raw, offset, length);
      const seed = seeds[index % seeds.length] ?? "";
      const found = new Set<string>();
      for (
        const [source, compression] of [["raw", "none"], ["raw", "zstd"], [
          "qcow2",
          "none",
        ]] as const
      ) {
        const place = `${folder.path}/${source}-${compression}`;
        await Deno.mkdir(place);
        await using server = await serve(source, raw, place);
        const { contentDigest } = await copyFrom(server, place, { seed, compression });
        // What is hashed is what the image holds, by a program that is not ours either.
        const disk = `${place}/disk`;
        await qemu("qemu-img", "convert", "-f", "qcow2", "-O", "raw", `${place}/copy.qcow2`, disk);
        await Deno.truncate(disk, size);
        const argv = [python, script, disk, `${place}/copy.blockmap`] as const;
        const { stdout } = await runOk(systemProcesses, argv);
        assert.equal(stdout.trim(), contentDigest, `${source}, ${compression}, ${size} bytes`);
        found.add(contentDigest);
      }
      assert.equal(found.size, 1);
    }
  },
);

async function serve(source: "raw" | "qcow2", raw: string, folder: string) {
  if (source === "raw") return await serveRaw(raw);
  const image = `${folder}/source.qcow2`;
  await qemu(
    ...["qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-o", "cluster_size=4k"] as const,
    raw,
    image,
  );
  return await startQemuNbd("--format=qcow2", image);
}
