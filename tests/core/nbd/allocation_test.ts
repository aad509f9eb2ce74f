import assert from "node:assert/strict";
import fc from "fast-check";
import {
  allocationContext,
  type AllocationRun,
  readAllocation,
} from "../../../core/nbd/allocation.ts";
import type { NbdClient } from "../../../core/nbd/client.ts";
import type { Extent } from "../../../core/nbd/pending.ts";
import {
  connect,
  output,
  outputJson,
  type Server,
  startNbdkit,
  startQemuNbd,
  temporaryFolder,
} from "./servers.ts";

interface MapEntry {
  readonly start: number;
  readonly length: number;
  readonly zero: boolean;
}

async function allocationOf(server: Server): Promise<readonly AllocationRun[]> {
  const client = await connect(server, { metaContexts: [allocationContext] });
  const runs = await Array.fromAsync(readAllocation(client));
  await client.disconnect();
  return runs;
}

/** What `qemu-img map` says of a file, as runs of data and zeroes. */
async function mapOf(image: string, format: string): Promise<readonly AllocationRun[]> {
  const entries = await outputJson("qemu-img", "map", "--output=json", "-f", format, image);
  const runs: AllocationRun[] = [];
  for (const { start, length, zero } of entries as readonly MapEntry[]) {
    const last = runs.at(-1);
    if (last?.data === !zero) runs[runs.length - 1] = { ...last, length: last.length + length };
    else runs.push({ offset: start, length, data: !zero });
  }
  return runs;
}

Deno.test("readAllocation says of a qcow2 what qemu-img map says, whatever was written and zeroed", async () => {
  const write = fc.record({
    command: fc.constantFrom("write", "write -z", "write -zu", "discard"),
    cluster: fc.integer({ min: 0, max: 90 }),
    count: fc.integer({ min: 1, max: 10 }),
  });
  const unit = 65536;
  await fc.assert(
    fc.asyncProperty(fc.array(write, { maxLength: 12 }), async (writes) => {
      await using folder = await temporaryFolder();
      const image = `${folder.path}/disk.qcow2`;
      await output("qemu-img", "create", "-q", "-f", "qcow2", image, `${100 * unit + 512}`);
      for (const { command, cluster, count } of writes) {
        await output("qemu-io", "-c", `${command} ${cluster * unit} ${count * unit}`, image);
      }
      await using server = await startQemuNbd("--format=qcow2", image);
      assert.deepEqual(await allocationOf(server), await mapOf(image, "qcow2"));
    }),
    { numRuns: 6 },
  );
});

Deno.test("readAllocation covers a chain of qcow2 files", async () => {
  await using folder = await temporaryFolder();
  const [base, top] = [`${folder.path}/base.qcow2`, `${folder.path}/top.qcow2`];
  await output("qemu-img", "create", "-q", "-f", "qcow2", base, "10M");
  await output("qemu-io", "-c", "write 1M 1M", base);
  await output("qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", top, "12M");
  await output("qemu-io", "-c", "write 4M 64k", "-c", "write -z 1M 64k", top);
  await using server = await startQemuNbd("--format=qcow2", top);
  assert.deepEqual(await allocationOf(server), await mapOf(top, "qcow2"));
});

Deno.test("readAllocation walks a raw file whose size is no multiple of a block", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/disk`;
  await Deno.writeFile(path, new Uint8Array(65536).fill(7));
  await Deno.truncate(path, 2_000_001);
  await using server = await startNbdkit("--readonly", "file", path);
  assert.deepEqual(await allocationOf(server), [
    { offset: 0, length: 65536, data: true },
    { offset: 65536, length: 2_000_001 - 65536, data: false },
  ]);
});

Deno.test("readAllocation covers a disk of 5 TiB with few requests", async () => {
  const tebibyte = 2 ** 40;
  await using folder = await temporaryFolder();
  const image = `${folder.path}/disk.qcow2`;
  await output("qemu-img", "create", "-q", "-f", "qcow2", image, "5T");
  await output("qemu-io", "-c", "write 3T 64k", "-c", `write ${5 * tebibyte - 512} 512`, image);
  await using server = await startQemuNbd("--format=qcow2", image);
  const client = await connect(server, { metaContexts: [allocationContext] });
  let requests = 0;
  const counting = {
    size: client.size,
    contexts: client.contexts,
    blockStatus(...range: Parameters<NbdClient["blockStatus"]>) {
      requests++;
      return client.blockStatus(...range);
    },
  };
  const runs = await Array.fromAsync(readAllocation(counting));
  await client.disconnect();
  assert.deepEqual(runs.map(({ data }) => data), [false, true, false, true]);
  assert.equal(runs[1]?.offset, 3 * tebibyte);
  assert.equal(runs.reduce((sum, { length }) => sum + length, 0), 5 * tebibyte);
  assert(requests < 3000, `${requests} requests`);
});

Deno.test("readAllocation yields one run of data where the server knows nothing", async () => {
  for (const mode of ["--no-sr", "--filter=noextents"]) {
    await using server = await startNbdkit(mode, "memory", "size=1M");
    assert.deepEqual(await allocationOf(server), [{ offset: 0, length: 2 ** 20, data: true }]);
  }
  await using empty = await startNbdkit("null", "size=0");
  assert.deepEqual(await allocationOf(empty), []);
});

Deno.test("readAllocation takes a hole that is not zero for data, and merges what adjoins", async () => {
  const [hole, zero] = [1, 2];
  const flags = [0, hole, hole | zero, zero, zero | 128, hole | 128];
  const client = {
    size: flags.length * 10,
    contexts: new Map([[allocationContext, 1]]),
    blockStatus: (_: string, offset: number): Promise<readonly Extent[]> =>
      Promise.resolve([{ offset, length: 10, flags: flags[offset / 10] ?? 0 }]),
  };
  assert.deepEqual(await Array.fromAsync(readAllocation(client)), [
    { offset: 0, length: 20, data: true },
    { offset: 20, length: 30, data: false },
    { offset: 50, length: 10, data: true },
  ]);
});

Deno.test("readAllocation stops with the reason of its signal", async () => {
  await using server = await startNbdkit("memory", "size=1M");
  const client = await connect(server, { metaContexts: [allocationContext] });
  const why = new Error("enough");
  await assert.rejects(
    Array.fromAsync(readAllocation(client, { signal: AbortSignal.abort(why) })),
    why,
  );
  await client.disconnect();
});
