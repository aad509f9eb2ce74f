import assert from "node:assert/strict";
import { VmbError } from "../../../core/error.ts";
import { allocationContext } from "../../../core/nbd/allocation.ts";
import { encodeUint16, encodeUint32 } from "../../../core/nbd/bytes.ts";
import { errorValues, replyTypes, requestTypes } from "../../../core/nbd/protocol.ts";
import {
  chunk,
  type Heard,
  type Script,
  shakeHands,
  simpleReply,
  type Stage,
  uint64,
  withScriptedServer,
} from "./scripted_server.ts";
import { connect } from "./servers.ts";

const {
  NBD_REPLY_TYPE_NONE,
  NBD_REPLY_TYPE_OFFSET_DATA,
  NBD_REPLY_TYPE_OFFSET_HOLE,
  NBD_REPLY_TYPE_BLOCK_STATUS,
  NBD_REPLY_TYPE_ERROR,
  NBD_REPLY_TYPE_ERROR_OFFSET,
} = replyTypes;

const contextId = 7;

function data(cookie: bigint, offset: number | bigint, bytes: number, done = false): Uint8Array {
  return chunk(
    cookie,
    NBD_REPLY_TYPE_OFFSET_DATA,
    [uint64(offset), new Uint8Array(bytes).fill(1)],
    { done },
  );
}

function hole(cookie: bigint, offset: number, bytes: number, done = false): Uint8Array {
  return chunk(cookie, NBD_REPLY_TYPE_OFFSET_HOLE, [uint64(offset), encodeUint32(bytes)], { done });
}

function extents(cookie: bigint, id: number, lengths: readonly number[], done = true): Uint8Array {
  const list = lengths.flatMap((length) => [encodeUint32(length), encodeUint32(0)]);
  return chunk(cookie, NBD_REPLY_TYPE_BLOCK_STATUS, [encodeUint32(id), ...list], { done });
}

function error(cookie: bigint, value: number, textLength: number, text = "", done = true) {
  const payload = [encodeUint32(value), encodeUint16(textLength), new TextEncoder().encode(text)];
  return chunk(cookie, NBD_REPLY_TYPE_ERROR, payload, { done });
}

interface BadReply {
  readonly name: string;
  /** Bytes in answer to a request for 4096 bytes at offset 8192. */
  readonly reply: (request: Heard) => readonly Uint8Array[];
  readonly detail: RegExp;
  readonly code?: string;
  readonly asks?: "read" | "block status";
  readonly script?: Script;
  readonly hangsUp?: boolean;
}

const simple = { structured: false } as const;
const blockStatus = {
  asks: "block status",
  script: { context: { name: allocationContext, id: contextId } },
} as const;

const badReplies: readonly BadReply[] = [
  {
    name: "sends a wrong magic",
    reply: () => [new Uint8Array(20)],
    detail: /reply magic is 0x0, expected 0x668e33ef$/,
  },
  {
    name: "sends a wrong magic instead of a simple reply",
    reply: ({ cookie }) => [chunk(cookie, NBD_REPLY_TYPE_NONE, [])],
    script: simple,
    detail: /reply magic is 0x668e33ef, expected 0x67446698$/,
  },
  {
    name: "answers a cookie that nobody has",
    reply: ({ cookie }) => [chunk(cookie + 77n, NBD_REPLY_TYPE_NONE, [])],
    detail: /reply to cookie 0x[0-9a-f]+, which no pending request has$/,
  },
  {
    name: "answers a cookie whose high bits differ",
    reply: ({ cookie }) => [chunk(cookie + 2n ** 63n, NBD_REPLY_TYPE_NONE, [])],
    detail: /which no pending request has$/,
  },
  {
    name: "answers one request twice",
    reply: ({ cookie }) => [data(cookie, 8192, 4096, true), chunk(cookie, NBD_REPLY_TYPE_NONE, [])],
    detail: /which no pending request has$/,
  },
  {
    name: "says that it is done before all data came",
    reply: ({ cookie }) => [data(cookie, 8192, 4095), chunk(cookie, NBD_REPLY_TYPE_NONE, [])],
    detail: /reply to read of 4096 bytes at offset 8192 is done, but a part is missing$/,
  },
  {
    name: "sends no data at all",
    reply: ({ cookie }) => [chunk(cookie, NBD_REPLY_TYPE_NONE, [])],
    detail: /is done, but a part is missing$/,
  },
  {
    name: "sends data before the request's range",
    reply: ({ cookie }) => [data(cookie, 8191, 10)],
    detail: /has 10 bytes at offset 8191, expected each byte of the request once$/,
  },
  {
    name: "sends data behind the request's range",
    reply: ({ cookie }) => [data(cookie, 12280, 9)],
    detail: /has 9 bytes at offset 12280, expected/,
  },
  {
    name: "sends data at an offset near 2^64",
    reply: ({ cookie }) => [data(cookie, 2n ** 64n - 1n, 9)],
    detail: /expected each byte of the request once$/,
  },
  {
    name: "sends the same data twice",
    reply: ({ cookie }) => [data(cookie, 8192, 10), data(cookie, 8192, 10)],
    detail: /has 10 bytes at offset 8192, expected each byte of the request once$/,
  },
  {
    name: "sends data that overlaps a hole",
    reply: ({ cookie }) => [hole(cookie, 9000, 100), data(cookie, 8992, 16)],
    detail: /has 16 bytes at offset 8992, expected/,
  },
  {
    name: "announces 4 GiB of data",
    reply: ({ cookie }) => [
      chunk(cookie, NBD_REPLY_TYPE_OFFSET_DATA, [uint64(8192)], { length: 0xffff_ffff }),
    ],
    detail: /has 4294967287 bytes at offset 8192, expected/,
  },
  {
    name: "announces data without any",
    reply: ({ cookie }) => [chunk(cookie, NBD_REPLY_TYPE_OFFSET_DATA, [uint64(8192)])],
    detail: /NBD_REPLY_TYPE_OFFSET_DATA has 8 bytes, expected at least 9$/,
  },
  {
    name: "sends a hole of 0 bytes",
    reply: ({ cookie }) => [hole(cookie, 8192, 0)],
    detail: /has 0 bytes at offset 8192, expected/,
  },
  {
    name: "sends a hole of 4 GiB",
    reply: ({ cookie }) => [hole(cookie, 8192, 0xffff_ffff)],
    detail: /has 4294967295 bytes at offset 8192, expected/,
  },
  {
    name: "sends a hole with a tail",
    reply: ({ cookie }) => [chunk(cookie, NBD_REPLY_TYPE_OFFSET_HOLE, [new Uint8Array(13)])],
    detail: /NBD_REPLY_TYPE_OFFSET_HOLE has 13 bytes, expected 12$/,
  },
  {
    name: "sends an empty chunk with a payload",
    reply: ({ cookie }) => [chunk(cookie, NBD_REPLY_TYPE_NONE, [new Uint8Array(1)])],
    detail: /NBD_REPLY_TYPE_NONE has 1 bytes with NBD_REPLY_FLAG_DONE, expected 0 bytes with it$/,
  },
  {
    name: "sends an empty chunk that is not the last",
    reply: ({ cookie }) => [chunk(cookie, NBD_REPLY_TYPE_NONE, [], { done: false })],
    detail: /NBD_REPLY_TYPE_NONE has 0 bytes without NBD_REPLY_FLAG_DONE/,
  },
  {
    name: "sends a chunk of an unknown type",
    reply: ({ cookie }) => [chunk(cookie, 9, [])],
    detail: /chunk type 9 is no reply to read of 4096 bytes at offset 8192$/,
  },
  {
    name: "answers a read with extents",
    reply: ({ cookie }) => [extents(cookie, contextId, [4096])],
    detail: /chunk type 5 is no reply to read/,
  },
  {
    name: "answers a read with a simple reply although structured ones were agreed",
    reply: ({ cookie }) => [simpleReply(cookie)],
    detail: /simple reply to read of 4096 bytes at offset 8192, expected a structured reply$/,
  },
  {
    name: "sends an error without a number",
    reply: ({ cookie }) => [error(cookie, 0, 0)],
    detail: /error chunk 0x8001 of 6 bytes has error 0 with 0 bytes of text$/,
  },
  {
    name: "sends an error whose text is longer than the chunk",
    reply: ({ cookie }) => [error(cookie, errorValues.NBD_EIO, 100, "short")],
    detail: /error chunk 0x8001 of 11 bytes has error 5 with 100 bytes of text$/,
  },
  {
    name: "sends an error that is cut short",
    reply: ({ cookie }) => [chunk(cookie, NBD_REPLY_TYPE_ERROR, [new Uint8Array(5)])],
    detail: /error chunk 0x8001 of 5 bytes, expected 6 to 4110 bytes$/,
  },
  {
    name: "announces an error text of 4 GiB",
    reply: ({ cookie }) => [chunk(cookie, NBD_REPLY_TYPE_ERROR, [], { length: 0xffff_fff0 })],
    detail: /error chunk 0x8001 of 4294967280 bytes, expected 6 to 4110 bytes$/,
  },
  {
    name: "sends an error at an offset outside of the request",
    reply: ({ cookie }) => [
      chunk(cookie, NBD_REPLY_TYPE_ERROR_OFFSET, [encodeUint32(5), encodeUint16(0), uint64(12288)]),
    ],
    detail: /error at offset 12288 in the reply to read of 4096 bytes at offset 8192$/,
  },
  {
    name: "sends errors without an end",
    reply: ({ cookie }) =>
      Array.from({ length: 4097 }, () => error(cookie, errorValues.NBD_EIO, 0, "", false)),
    detail: /more than 4096 errors in the reply to read/,
  },
  {
    name: "hangs up between two replies",
    reply: () => [],
    hangsUp: true,
    code: "nbd.disconnected",
    detail: /ended: the server closed it$/,
  },
  {
    name: "hangs up in the middle of a payload",
    reply: ({ cookie }) => [
      chunk(cookie, NBD_REPLY_TYPE_OFFSET_DATA, [uint64(8192), new Uint8Array(99)], {
        length: 4104,
      }),
    ],
    hangsUp: true,
    code: "nbd.disconnected",
    detail: /ended: the server closed it$/,
  },
  {
    name: "hangs up in the middle of a simple reply",
    reply: ({ cookie }) => [simpleReply(cookie), new Uint8Array(4095)],
    script: simple,
    hangsUp: true,
    code: "nbd.disconnected",
    detail: /ended: the server closed it$/,
  },
  {
    name: "hangs up in the middle of a header",
    reply: () => [encodeUint32(0x668e33ef)],
    hangsUp: true,
    code: "nbd.disconnected",
    detail: /ended: the server closed it$/,
  },
  {
    name: "sends an extent of 0 bytes",
    reply: ({ cookie }) => [extents(cookie, contextId, [512, 0, 512])],
    detail: /block status of 4096 bytes at offset 8192 has an extent of 0 bytes at offset 8704$/,
    ...blockStatus,
  },
  {
    name: "sends an extent that starts behind the range",
    reply: ({ cookie }) => [extents(cookie, contextId, [4096, 512])],
    detail: /has an extent of 512 bytes at offset 12288$/,
    ...blockStatus,
  },
  {
    name: "sends extents that the minimum block size does not divide",
    reply: ({ cookie }) => [extents(cookie, contextId, [513, 511])],
    detail: /extent at offset 8192 of 65536 has 513 bytes, expected a multiple of 512$/,
    asks: "block status",
    script: { ...blockStatus.script, blockSize: [512, 4096, 65536] },
  },
  {
    name: "sends no extents",
    reply: ({ cookie }) => [extents(cookie, contextId, [])],
    detail: /NBD_REPLY_TYPE_BLOCK_STATUS has 4 bytes, expected 4 \+ 8 for each of 1 to 1048576/,
    ...blockStatus,
  },
  {
    name: "announces 4 GiB of extents",
    reply: ({ cookie }) => [
      chunk(cookie, NBD_REPLY_TYPE_BLOCK_STATUS, [], { length: 0xffff_fffc }),
    ],
    detail: /NBD_REPLY_TYPE_BLOCK_STATUS has 4294967292 bytes, expected/,
    ...blockStatus,
  },
  {
    name: "sends extents of another context",
    reply: ({ cookie }) => [extents(cookie, contextId + 1, [4096])],
    detail: /for metadata context 8, expected each negotiated one once$/,
    ...blockStatus,
  },
  {
    name: "sends extents of one context twice",
    reply: ({ cookie }) => [
      extents(cookie, contextId, [4096], false),
      extents(cookie, contextId, [4096]),
    ],
    detail: /for metadata context 7, expected each negotiated one once$/,
    ...blockStatus,
  },
  {
    name: "answers a block status without extents",
    reply: ({ cookie }) => [chunk(cookie, NBD_REPLY_TYPE_NONE, [])],
    detail: /reply to block status of 4096 bytes at offset 8192 is done, but a part is missing$/,
    ...blockStatus,
  },
  {
    name: "answers a block status with a simple reply",
    reply: ({ cookie }) => [simpleReply(cookie)],
    detail: /simple reply without error to block status/,
    ...blockStatus,
  },
  {
    name: "answers a block status with data",
    reply: ({ cookie }) => [data(cookie, 8192, 4096)],
    detail: /chunk type 1 is no reply to block status/,
    ...blockStatus,
  },
];

for (const bad of badReplies) {
  const { name, reply, detail, code = "nbd.protocol", asks = "read", script, hangsUp } = bad;
  Deno.test(`NbdClient ends in one ${code} error when the server ${name}`, async () => {
    const serve = async (stage: Stage): Promise<true | void> => {
      await shakeHands(stage, script);
      await stage.hearRequest();
      const request = await stage.hearRequest();
      try {
        await stage.say(...reply(request));
      } catch (problem) {
        // The client may have had enough before the end.
        if (!(problem instanceof Deno.errors.BrokenPipe)) throw problem;
      }
      if (!hangsUp) return;
      stage.hangUp();
      return true;
    };
    await withScriptedServer(serve, async (server) => {
      const client = await connect(server, {
        exportName: "vda",
        metaContexts: [allocationContext],
      });
      const other = client.read(0, new Uint8Array(512));
      const asked = asks === "read"
        ? client.read(8192, new Uint8Array(4096))
        : client.blockStatus(allocationContext, 8192, 4096);
      const [first, second] = await Promise.allSettled([other, asked]);
      assert(first.status === "rejected");
      const failure: unknown = first.reason;
      assert(failure instanceof VmbError);
      assert.equal(failure.code, code);
      assert.match(failure.message, detail);
      assert(failure.message.includes(`export "vda" on "${server.socketPath}"`));
      // A whole answer, followed by the same again, lets the asked request succeed.
      if (second.status === "rejected") assert.equal(second.reason, failure);
      await assert.rejects(client.read(0, new Uint8Array(512)), failure);
      client.destroy();
    });
  });
}

/** A server that answers the first request with these bytes, and a client that made it. */
async function withAnswer(
  reply: (request: Heard) => readonly Uint8Array[],
  use: (client: Awaited<ReturnType<typeof connect>>) => Promise<void>,
  script?: Script,
): Promise<void> {
  const serve = async (stage: Stage) => {
    await shakeHands(stage, script);
    await stage.say(...reply(await stage.hearRequest()));
  };
  await withScriptedServer(serve, async (server) => {
    const client = await connect(server, { metaContexts: [allocationContext] });
    await use(client);
    await client.disconnect();
  });
}

Deno.test("NbdClient.read puts chunks of any order in their places, and holes between them", async () => {
  const reply = ({ cookie }: Heard) => [
    data(cookie, 11, 3),
    hole(cookie, 16, 2),
    data(cookie, 10, 1),
    data(cookie, 18, 2),
    hole(cookie, 14, 2),
    chunk(cookie, NBD_REPLY_TYPE_NONE, []),
  ];
  await withAnswer(reply, async (client) => {
    const target = new Uint8Array(12).fill(9);
    await client.read(10, target.subarray(1, 11));
    assert.deepEqual([...target], [9, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 9]);
  });
});

Deno.test("NbdClient.read fails with the first error of a reply, and reads the reply to its end", async () => {
  const reply = ({ cookie }: Heard) => [
    data(cookie, 0, 10),
    chunk(cookie, NBD_REPLY_TYPE_ERROR_OFFSET, [
      encodeUint32(errorValues.NBD_ENOSPC),
      encodeUint16(3),
      new TextEncoder().encode("why"),
      uint64(4),
    ], { done: false }),
    error(cookie, errorValues.NBD_EIO, 5, "later", false),
    data(cookie, 10, 10),
    chunk(cookie, NBD_REPLY_TYPE_NONE, []),
  ];
  await withAnswer(reply, async (client) => {
    await assert.rejects(client.read(0, new Uint8Array(100)), {
      code: "nbd.remote",
      message: /: NBD_ENOSPC \(no space left on device\) at offset 4: "why"$/,
    });
  });
});

Deno.test("NbdClient.read fails with an error chunk of a type that the document does not name", async () => {
  const reply = ({ cookie }: Heard) => [
    chunk(cookie, 2 ** 15 + 99, [encodeUint32(77), encodeUint16(0), new Uint8Array(30)]),
  ];
  await withAnswer(reply, async (client) => {
    await assert.rejects(client.read(0, new Uint8Array(100)), {
      code: "nbd.remote",
      message: /: error 77$/,
    });
  });
});

Deno.test("NbdClient.blockStatus cuts off what the last extent tells beyond the request", async () => {
  const reply = ({ cookie }: Heard) => [extents(cookie, contextId, [1024, 0xffff_fe00])];
  await withAnswer(reply, async (client) => {
    assert.deepEqual(await client.blockStatus(allocationContext, 512, 4096), [
      { offset: 512, length: 1024, flags: 0 },
      { offset: 1536, length: 3072, flags: 0 },
    ]);
  }, blockStatus.script);
});

Deno.test("NbdClient.blockStatus fails with an error in a simple reply", async () => {
  await withAnswer(
    ({ cookie }) => [simpleReply(cookie, errorValues.NBD_EINVAL)],
    async (client) => {
      await assert.rejects(client.blockStatus(allocationContext, 0, 4096), {
        code: "nbd.remote",
        message:
          /^NBD block status of 4096 bytes at offset 0 failed for .*: NBD_EINVAL \(invalid argument\)$/,
      });
    },
    blockStatus.script,
  );
});

Deno.test("NbdClient leaves with NBD_CMD_DISC, whether asked to or told NBD_ESHUTDOWN", async () => {
  const heard: number[] = [];
  await withScriptedServer(async (stage) => {
    await shakeHands(stage);
    heard.push((await stage.hearRequest()).type);
  }, async (server) => await (await connect(server)).disconnect());
  await withScriptedServer(async (stage) => {
    await shakeHands(stage);
    const { cookie } = await stage.hearRequest();
    await stage.hearRequest();
    await stage.say(error(cookie, errorValues.NBD_ESHUTDOWN, 0));
    heard.push((await stage.hearRequest()).type);
  }, async (server) => {
    const client = await connect(server);
    const requests = [0, 512].map((offset) => client.read(offset, new Uint8Array(512)));
    for (const outcome of await Promise.allSettled(requests)) {
      assert(outcome.status === "rejected");
      assert.equal(outcome.reason.code, "nbd.remote");
      assert.match(outcome.reason.message, /NBD_ESHUTDOWN/);
    }
  });
  const { NBD_CMD_DISC } = requestTypes;
  assert.deepEqual(heard, [NBD_CMD_DISC, NBD_CMD_DISC]);
});
