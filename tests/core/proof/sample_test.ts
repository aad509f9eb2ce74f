import assert from "node:assert/strict";
import fc from "fast-check";
import { compareSample, takeSample } from "../../../core/proof/sample.ts";
import { pick } from "../../../core/proof/sample_thread.ts";
import { realSystem } from "../../../core/sys/system.ts";
import { copyFrom, rawImage, serveRaw, writeNoise } from "../copy/copying.ts";
import { temporaryFolder } from "../nbd/servers.ts";

const never = new AbortController().signal;

Deno.test("pick takes one cluster of each equal part of the data, or all of them", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 50_000 }),
      fc.integer({ min: 1, max: 500 }),
      (n, most) => {
        const count = Math.min(n, most);
        const picked = Array.from({ length: count }, (_, index) => pick(index, n, most));
        for (const [index, at] of picked.entries()) {
          assert.ok(
            at >= Math.floor(index * n / count) && at < Math.floor((index + 1) * n / count),
          );
        }
      },
    ),
  );
});

Deno.test("compareSample finds a changed cluster when the sample holds all", async () => {
  await using folder = await temporaryFolder();
  const raw = `${folder.path}/disk.raw`;
  const source = { target: "vda", exportName: "" };
  // The end of the disk lies within its last cluster.
  await rawImage(raw, 40 * 65_536 + 512, []);
  for (const at of [0, 3, 4, 17, 40]) await writeNoise(raw, at * 65_536, 512);
  {
    await using server = await serveRaw(raw);
    const copied = await copyFrom(server, folder.path);
    const sample = await takeSample(`${folder.path}/copy.blockmap`, 100, never);
    assert.equal(sample.contentDigest, copied.contentDigest);
    assert.deepEqual(sample.chosen.map(({ cluster }) => cluster), [0, 3, 4, 17, 40]);
    assert.equal(sample.total, 5);
    await compareSample(realSystem, { ...source, socketPath: server.socketPath }, sample, never);
  }
  await writeNoise(raw, 17 * 65_536 + 4096, 512);
  await using server = await serveRaw(raw);
  const sample = await takeSample(`${folder.path}/copy.blockmap`, 100, never);
  await assert.rejects(
    compareSample(realSystem, { ...source, socketPath: server.socketPath }, sample, never),
    { code: "proof.content", message: /^Cluster 17 of disk vda/ },
  );
  const few = await takeSample(`${folder.path}/copy.blockmap`, 2, never);
  assert.deepEqual([few.chosen.length, few.total], [2, 5]);
});

Deno.test("takeSample refuses a map that is cut off, and stops when asked", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/map`;
  await Deno.writeFile(path, new Uint8Array(100));
  await assert.rejects(takeSample(path, 5, never), { code: "block-map.invalid" });
  await assert.rejects(takeSample(path, 5, AbortSignal.abort(new Error("no"))), /no/);
  await assert.rejects(takeSample(`${path}.missing`, 5, never), /missing/);
});
