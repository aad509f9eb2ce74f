import assert from "node:assert/strict";
import fc from "fast-check";
import { VmbError } from "../../../core/error.ts";
import {
  connect,
  output,
  outputJson,
  reference,
  startNbdkit,
  startQemuNbd,
  temporaryFolder,
} from "./servers.ts";

const mebibyte = 2 ** 20;

async function readAll(client: Awaited<ReturnType<typeof connect>>): Promise<Uint8Array> {
  const whole = new Uint8Array(client.size);
  await client.read(0, whole);
  return whole;
}

Deno.test("NbdClient.read fills random ranges, many at once, with the bytes that nbdcopy reads", async () => {
  const setup = fc.record({
    size: fc.integer({ min: 1, max: 2 * mebibyte }),
    percent: fc.integer({ min: 0, max: 100 }),
    runlength: fc.integer({ min: 1, max: 65536 }),
    seed: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
    structured: fc.boolean(),
    ranges: fc.array(fc.tuple(fc.nat(), fc.nat()), { minLength: 1, maxLength: 60 }),
  });
  await fc.assert(
    fc.asyncProperty(setup, async ({ size, percent, runlength, seed, structured, ranges }) => {
      // The plugin's bytes depend on how a read is aligned: the blocksize filter aligns them all alike.
      await using server = await startNbdkit(
        ...(structured ? [] : ["--no-sr"]),
        "--filter=offset",
        "--filter=blocksize",
        "sparse-random",
        "size=2M",
        `percent=${percent}`,
        `runlength=${runlength}`,
        `seed=${seed}`,
        "random-content=true",
        "minblock=4096",
        "offset=0",
        `range=${size}`,
      );
      const expected = await reference(server);
      const client = await connect(server, { metaContexts: ["base:allocation"] });
      assert.equal(client.size, size);
      assert.equal(client.contexts.has("base:allocation"), structured);
      await Promise.all(ranges.map(async ([from, count]) => {
        const offset = from % (size + 1);
        const target = new Uint8Array(count % (size - offset + 1)).fill(0xaa);
        await client.read(offset, target);
        assert.deepEqual(target, expected.subarray(offset, offset + target.length));
      }));
      await client.disconnect();
    }),
    { numRuns: 12 },
  );
});

Deno.test("NbdClient.read reads the random and pattern plugins as nbdcopy does", async () => {
  for (const plugin of ["random", "pattern"]) {
    await using server = await startNbdkit(plugin, "size=3M");
    const client = await connect(server);
    assert.deepEqual(await readAll(client), await reference(server));
    await client.disconnect();
  }
});

Deno.test("NbdClient.read resolves out of order when the server answers so", async () => {
  await using folder = await temporaryFolder();
  const slow = `${folder.path}/slow`;
  await output("mkfifo", slow);
  // The first block's reply waits until somebody writes into the pipe.
  await using server = await startNbdkit(
    "--threads=4",
    "eval",
    "thread_model=echo parallel",
    "get_size=echo 8192",
    `pread=if [ $4 = 0 ]; then read go < ${slow}; fi; head -c $3 /dev/zero | tr '\\0' x`,
  );
  const client = await connect(server);
  const order: string[] = [];
  const first = client.read(0, new Uint8Array(4096)).then(() => order.push("first"));
  const second = client.read(4096, new Uint8Array(4096)).then(() => order.push("second"));
  await second;
  await Deno.writeTextFile(slow, "go\n");
  await first;
  assert.deepEqual(order, ["second", "first"]);
  await client.disconnect();
});

Deno.test("NbdClient.read keeps to a server's block sizes, and reads the tail that they do not divide", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/disk`;
  const content = new Uint8Array(1_000_513);
  for (let at = 0; at < content.length; at += 65536) {
    crypto.getRandomValues(content.subarray(at, at + 65536));
  }
  await Deno.writeFile(path, content);
  await using server = await startNbdkit(
    "--readonly",
    "--filter=blocksize-policy",
    "file",
    path,
    "blocksize-minimum=512",
    "blocksize-preferred=4096",
    "blocksize-maximum=64K",
    "blocksize-error-policy=allow",
  );
  const client = await connect(server);
  assert.deepEqual(client.blockSize, { minimum: 512, preferred: 4096, maximum: 65536 });
  assert.deepEqual(await readAll(client), content);
  const tail = new Uint8Array(513);
  await client.read(1_000_000 - 1_000_000 % 512, new Uint8Array(512));
  await assert.rejects(client.read(1_000_000, tail), {
    code: "nbd.request",
    message: /513 bytes at offset 1000000 are not aligned to the minimum block size of 512 bytes$/,
  });
  await assert.rejects(client.read(512, new Uint8Array(100)), { code: "nbd.request" });
  await client.disconnect();
});

Deno.test("NbdClient.read never sends more than the server's maximum, which the server would refuse", async () => {
  await using server = await startNbdkit(
    "--filter=blocksize-policy",
    "pattern",
    "size=1M",
    "blocksize-minimum=1",
    "blocksize-preferred=4096",
    "blocksize-maximum=64K",
    "blocksize-error-policy=error",
  );
  await using unlimited = await startNbdkit("pattern", "size=1M");
  const client = await connect(server);
  assert.deepEqual(await readAll(client), await reference(unlimited));
  await client.disconnect();
});

Deno.test("NbdClient.read refuses a range outside of the export and goes on", async () => {
  await using server = await startNbdkit("memory", "size=4096");
  const client = await connect(server);
  for (const offset of [-1, 1, 4096, 0.5, Number.NaN, Number.MAX_SAFE_INTEGER]) {
    await assert.rejects(client.read(offset, new Uint8Array(4096)), {
      code: "nbd.request",
      message: /4096 bytes at offset \S+ are not within its 4096 bytes$/,
    });
  }
  await client.read(0, new Uint8Array(4096));
  await client.disconnect();
});

Deno.test("NbdClient reads nothing from an export of 0 bytes", async () => {
  for (const plugin of [["null", "size=0"], ["data", "data="]]) {
    await using server = await startNbdkit(...plugin);
    const client = await connect(server, { metaContexts: ["base:allocation"] });
    assert.equal(client.size, 0);
    await client.read(0, new Uint8Array(0));
    await client.disconnect();
  }
});

Deno.test("NbdClient.read names the server's error and leaves the connection usable", async () => {
  for (
    const [sent, named] of [["EIO", "NBD_EIO"], ["ENOSPC", "NBD_ENOSPC"], ["EPERM", "NBD_EPERM"]]
  ) {
    for (const mode of [[], ["--no-sr"]]) {
      await using folder = await temporaryFolder();
      const trigger = `${folder.path}/trigger`;
      await Deno.writeTextFile(trigger, "");
      await using server = await startNbdkit(
        ...mode,
        "--filter=error",
        "pattern",
        "size=1M",
        `error-pread=${sent}`,
        "error-pread-rate=100%",
        `error-file=${trigger}`,
      );
      const client = await connect(server);
      await assert.rejects(client.read(512, new Uint8Array(1024)), (error) => {
        assert(error instanceof VmbError);
        assert.equal(error.code, "nbd.remote");
        assert.match(
          error.message,
          new RegExp(
            `^NBD read of 1024 bytes at offset 512 failed for export "" on "${server.socketPath}": ${named} \\(`,
          ),
        );
        return true;
      });
      await Deno.remove(trigger);
      const target = new Uint8Array(8);
      await client.read(0, target);
      assert.deepEqual([...target], [0, 0, 0, 0, 0, 0, 0, 0]);
      await client.disconnect();
    }
  }
});

Deno.test("NbdClient.read fails and succeeds request by request on a server with random errors", async () => {
  await using server = await startNbdkit(
    "--filter=error",
    "pattern",
    "size=4M",
    "error-pread-rate=50%",
  );
  const client = await connect(server);
  const outcomes = await Promise.allSettled(
    Array.from({ length: 256 }, (_, index) => client.read(index * 16384, new Uint8Array(16384))),
  );
  const failed = outcomes.filter((outcome) => outcome.status === "rejected");
  assert(failed.length > 0 && failed.length < 256);
  for (const { reason } of failed) assert.equal(reason.code, "nbd.remote");
  await client.disconnect();
});

Deno.test("NbdClient.read waits for a server behind a delay and a rate limit", async () => {
  await using server = await startNbdkit(
    "--filter=delay",
    "--filter=rate",
    "pattern",
    "size=256K",
    "delay-read=20ms",
    "rate=20M",
  );
  const client = await connect(server);
  assert.deepEqual(await readAll(client), await reference(server));
  await client.disconnect();
});

Deno.test("NbdClient tells size, flags and block sizes as nbdinfo does", async () => {
  await using folder = await temporaryFolder();
  const image = `${folder.path}/disk.qcow2`;
  await output("qemu-img", "create", "-q", "-f", "qcow2", image, "5G");
  const starters = [
    () => startNbdkit("--readonly", "memory", "size=1000513"),
    () => startNbdkit("memory", "size=1M"),
    () => startNbdkit("--filter=multi-conn", "memory", "size=1M", "multi-conn-mode=disable"),
    () => startNbdkit("--mask-handshake=1", "null", "size=2E"),
    () => startQemuNbd("--format=qcow2", image),
  ];
  for (const startServer of starters) {
    await using server = await startServer();
    const { exports } = await outputJson("nbdinfo", "--json", server.uri) as {
      exports: readonly Record<string, number | boolean>[];
    };
    const [info = {}] = exports;
    const connecting = connect(server);
    if (Number(info["export-size"]) > Number.MAX_SAFE_INTEGER) {
      await assert.rejects(connecting, {
        code: "nbd.handshake",
        message: /the export has \d+ bytes, more than 2\^53 - 1$/,
      });
      continue;
    }
    const client = await connecting;
    const { flags, blockSize } = client;
    assert.deepEqual(
      {
        "export-size": client.size,
        is_read_only: flags.readOnly,
        is_rotational: flags.rotational,
        can_cache: flags.sendCache,
        can_df: flags.sendDf,
        can_fast_zero: flags.sendFastZero,
        can_flush: flags.sendFlush,
        can_fua: flags.sendFua,
        can_multi_conn: flags.canMultiConn,
        can_trim: flags.sendTrim,
        can_zero: flags.sendWriteZeroes,
      },
      {
        "export-size": info["export-size"],
        is_read_only: info["is_read_only"],
        is_rotational: info["is_rotational"],
        can_cache: info["can_cache"],
        can_df: info["can_df"],
        can_fast_zero: info["can_fast_zero"],
        can_flush: info["can_flush"],
        can_fua: info["can_fua"],
        can_multi_conn: info["can_multi_conn"],
        can_trim: info["can_trim"],
        can_zero: info["can_zero"],
      },
    );
    assert.deepEqual(blockSize, {
      minimum: info["block_size_minimum"] ?? 1,
      preferred: info["block_size_preferred"] ?? 4096,
      maximum: Math.min(Number(info["block_size_maximum"] ?? 2 ** 25), 2 ** 25),
    });
    await client.disconnect();
  }
});

Deno.test("NbdClient.blockStatus refuses a context that was not negotiated", async () => {
  await using server = await startNbdkit("memory", "size=1M");
  const client = await connect(server, { metaContexts: ["qemu:dirty-bitmap:none"] });
  assert.deepEqual([...client.contexts], []);
  await assert.rejects(client.blockStatus("qemu:dirty-bitmap:none", 0, 4096), {
    code: "nbd.request",
    message: /metadata context "qemu:dirty-bitmap:none" was not negotiated$/,
  });
  await client.disconnect();
});

Deno.test("NbdClient.blockStatus returns a dirty bitmap beside the allocation", async () => {
  await using folder = await temporaryFolder();
  const image = `${folder.path}/disk.qcow2`;
  await output("qemu-img", "create", "-q", "-f", "qcow2", image, "1M");
  await output("qemu-io", "-c", "write 0 128k", image);
  await output("qemu-img", "bitmap", "--add", image, "b");
  await output("qemu-io", "-c", "write 512k 64k", image);
  await using server = await startQemuNbd("--format=qcow2", "--bitmap=b", image);
  const bitmap = "qemu:dirty-bitmap:b";
  const client = await connect(server, { metaContexts: ["base:allocation", bitmap] });
  assert.deepEqual([...client.contexts.keys()].sort(), ["base:allocation", bitmap]);
  const kibibyte = 1024;
  assert.deepEqual(await client.blockStatus(bitmap, 0, 1024 * kibibyte), [
    { offset: 0, length: 512 * kibibyte, flags: 0 },
    { offset: 512 * kibibyte, length: 64 * kibibyte, flags: 1 },
    { offset: 576 * kibibyte, length: 448 * kibibyte, flags: 0 },
  ]);
  assert.deepEqual(await client.blockStatus("base:allocation", 0, 256 * kibibyte), [
    { offset: 0, length: 128 * kibibyte, flags: 0 },
    { offset: 128 * kibibyte, length: 128 * kibibyte, flags: 3 },
  ]);
  await client.disconnect();
});

Deno.test("NbdClient.disconnect may be called twice, and later requests reject", async () => {
  await using server = await startNbdkit("memory", "size=4096");
  const client = await connect(server);
  await Promise.all([client.disconnect(), client.disconnect()]);
  await client.disconnect();
  client.destroy();
  await assert.rejects(client.read(0, new Uint8Array(1)), {
    code: "nbd.disconnected",
    message: /ended: it was closed by the client$/,
  });
});

Deno.test("NbdClient.destroy rejects every pending request with its error", async () => {
  await using server = await startNbdkit("--filter=delay", "memory", "size=1M", "rdelay=60");
  const client = await connect(server);
  const requests = [0, 4096, 8192].map((offset) => client.read(offset, new Uint8Array(4096)));
  const why = new Error("enough");
  client.destroy(why);
  for (const outcome of await Promise.allSettled(requests)) {
    assert.equal(outcome.status === "rejected" && outcome.reason, why);
  }
  await assert.rejects(client.read(0, new Uint8Array(1)), why);
});

Deno.test("NbdClient rejects pending and later requests with the reason of its signal", async () => {
  await using server = await startNbdkit("--filter=delay", "memory", "size=1M", "rdelay=60");
  const stop = new AbortController();
  const client = await connect(server, { signal: stop.signal });
  const pending = client.read(0, new Uint8Array(4096));
  const why = new Error("stopped by SIGTERM");
  stop.abort(why);
  await assert.rejects(pending, why);
  await assert.rejects(client.read(0, new Uint8Array(4096)), why);
  await client.disconnect();
});

Deno.test("NbdClient rejects pending requests when the server is killed", async () => {
  await using server = await startNbdkit("--filter=delay", "memory", "size=1M", "rdelay=60");
  const client = await connect(server);
  const pending = Promise.allSettled(
    [0, 4096].map((offset) => client.read(offset, new Uint8Array(4096))),
  );
  await server.kill();
  for (const outcome of await pending) {
    assert.equal(outcome.status === "rejected" && outcome.reason.code, "nbd.disconnected");
  }
});
