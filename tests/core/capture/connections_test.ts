import assert from "node:assert/strict";
import { CaptureConnections } from "../../../core/capture/connections.ts";
import type { NbdClient } from "../../../core/nbd/client.ts";
import { encodeUint32 } from "../../../core/nbd/bytes.ts";
import { magics } from "../../../core/nbd/protocol.ts";
import { systemNetwork } from "../../../core/sys/network.ts";
import {
  greet,
  shakeHands,
  type Stage,
  uint64,
  withScriptedServer,
} from "../nbd/scripted_server.ts";

/** More than a socket takes for a reader that does not read. */
const flood = new Uint8Array(8 * 2 ** 20);

/** What goes wrong with a connection, seen from either end. */
const ways: readonly {
  readonly name: string;
  readonly serve: (stage: Stage) => Promise<void>;
  readonly use: (client: NbdClient) => Promise<unknown>;
}[] = [
  {
    name: "its requests are given up",
    serve: async (stage) => {
      await stage.hearRequest();
    },
    use: (client) => {
      const reading = client.read(0, new Uint8Array(4096));
      client.destroy(new Error("stop"));
      return assert.rejects(reading, /stop/);
    },
  },
  {
    name: "a borrower says goodbye",
    serve: () => Promise.resolve(),
    use: (client) => client.disconnect(),
  },
  {
    name: "the server breaks the protocol",
    serve: async (stage) => {
      await stage.hearRequest();
      await stage.say(encodeUint32(0xbadbad), new Uint8Array(12));
    },
    use: (client) => assert.rejects(client.read(0, new Uint8Array(4096)), { code: "nbd.protocol" }),
  },
  {
    name: "the server says that it shuts down",
    serve: async (stage) => {
      const { cookie } = await stage.hearRequest();
      await stage.say(
        encodeUint32(magics.NBD_SIMPLE_REPLY_MAGIC),
        encodeUint32(108),
        uint64(cookie),
      );
    },
    use: (client) => assert.rejects(client.read(0, new Uint8Array(4096)), { code: "nbd.remote" }),
  },
];

for (const { name, serve, use } of ways) {
  Deno.test(`CaptureConnections stay open, and are read, until they are closed: ${name}`, async () => {
    let released = false;
    const connections = new CaptureConnections(systemNetwork);
    const flooded = Promise.withResolvers<void>();
    await withScriptedServer(async (stage) => {
      await shakeHands(stage, { structured: false });
      await serve(stage);
      await stage.say(flood);
      flooded.resolve();
      // Neither a goodbye nor the end comes before.
      await assert.rejects(stage.hear(1), /the client hung up|reset by peer/);
      assert.ok(released, "closed before its time");
    }, async ({ socketPath }) => {
      const [disk] = await connections.open([{ target: "vda", socketPath, exportName: "" }]);
      assert.ok(disk);
      await use(disk.client);
      await flooded.promise;
      released = true;
      connections.close();
    });
  });
}

Deno.test("CaptureConnections keep a connection whose handshake failed", async () => {
  let released = false;
  const connections = new CaptureConnections(systemNetwork);
  await withScriptedServer(async (stage) => {
    await greet(stage);
    await stage.hearOption();
    await stage.say(new Uint8Array(20));
    // It may tell the server that it gives up, and goes no further.
    for (let heard = 0; !released;) {
      await stage.hear(1).then(() => heard++, () => assert.ok(released, "closed before its time"));
      assert.ok(heard <= 64);
    }
  }, async ({ socketPath }) => {
    const opening = connections.open([{ target: "vda", socketPath, exportName: "none" }]);
    await assert.rejects(opening, { code: "nbd.protocol" });
    released = true;
    connections.close();
  });
});

Deno.test("CaptureConnections close what opens after they were closed", async () => {
  const closed: string[] = [];
  const opened = Promise.withResolvers<{ close(): void }>();
  const connections = new CaptureConnections({
    connectUnix: () => opened.promise as ReturnType<typeof systemNetwork.connectUnix>,
  });
  const opening = connections.open([{ target: "vda", socketPath: "/s", exportName: "" }]);
  connections.close();
  opened.resolve({
    read: () => Promise.resolve(null),
    write: (bytes: Uint8Array) => Promise.resolve(bytes.length),
    close: () => void closed.push("closed"),
  } as { close(): void });
  await assert.rejects(opening, { code: "nbd.disconnected" });
  assert.deepEqual(closed, ["closed"]);
});
