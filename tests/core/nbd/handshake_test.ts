import assert from "node:assert/strict";
import { VmbError } from "../../../core/error.ts";
import { encodeUint16, encodeUint32 } from "../../../core/nbd/bytes.ts";
import { magics, optionReplyTypes, optionTypes } from "../../../core/nbd/protocol.ts";
import { systemNetwork } from "../../../core/sys/network.ts";
import {
  blockSizeInfo,
  exportInfo,
  greet,
  info,
  metaContext,
  optionReply,
  shakeHands,
  type Stage,
  uint64,
  withScriptedServer,
} from "./scripted_server.ts";
import { connect, output, startNbdkit, temporaryFolder } from "./servers.ts";

const { NBD_OPT_STRUCTURED_REPLY, NBD_OPT_SET_META_CONTEXT, NBD_OPT_GO, NBD_OPT_ABORT } =
  optionTypes;
const { NBD_REP_ACK, NBD_REP_SERVER, NBD_REP_ERR_UNSUP, NBD_REP_ERR_SHUTDOWN } = optionReplyTypes;

/** Answers options in order, each with bytes of its own, and does not care what they ask for. */
function answers(...replies: readonly (readonly Uint8Array[])[]): (stage: Stage) => Promise<void> {
  return async (stage) => {
    await greet(stage);
    for (const reply of replies) {
      await stage.hearOption();
      await stage.say(...reply);
    }
  };
}

const structuredAck = optionReply(NBD_OPT_STRUCTURED_REPLY, NBD_REP_ACK);
const structured = [structuredAck];
const noContext = [optionReply(NBD_OPT_SET_META_CONTEXT, NBD_REP_ACK)];
const go = optionReply(NBD_OPT_GO, NBD_REP_ACK);

const badBlockSizes: readonly (readonly [minimum: number, preferred: number, maximum: number])[] = [
  [0, 4096, 65536],
  [3, 4096, 65536],
  [131072, 131072, 131072],
  [512, 256, 65536],
  [512, 4096, 0],
  [1, 5000, 65536],
];

interface BadHandshake {
  readonly name: string;
  readonly serve: (stage: Stage) => Promise<true | void>;
  readonly code: string;
  readonly detail: RegExp;
}

const badHandshakes: readonly BadHandshake[] = [
  {
    name: "greets with other bytes",
    serve: (stage) => stage.say(new TextEncoder().encode("SSH-2.0-OpenSSH_9.9 hello")),
    code: "nbd.protocol",
    detail: /it greets with 0x5353482d322e302d, expected 0x4e42444d41474943$/,
  },
  {
    name: "is oldstyle",
    serve: (stage) =>
      stage.say(
        uint64(magics.INIT_PASSWD),
        uint64(magics.cliserv_magic),
        uint64(4096),
        new Uint8Array(128),
      ),
    code: "nbd.handshake",
    detail: /the server offers oldstyle negotiation, fixed newstyle is needed$/,
  },
  {
    name: "has a wrong second magic",
    serve: (stage) => stage.say(uint64(magics.INIT_PASSWD), uint64(1), encodeUint16(3)),
    code: "nbd.protocol",
    detail: /handshake magic is 0x1, expected 0x49484156454f5054$/,
  },
  {
    name: "is not fixed newstyle",
    serve: (stage) =>
      stage.say(uint64(magics.INIT_PASSWD), uint64(magics.IHAVEOPT), encodeUint16(2)),
    code: "nbd.handshake",
    detail: /the server does not set NBD_FLAG_FIXED_NEWSTYLE$/,
  },
  {
    name: "says nothing",
    serve: () => Promise.resolve(),
    code: "nbd.handshake",
    detail: /the server gave no answer within 0\.3 s$/,
  },
  {
    name: "stops in the middle of a reply",
    serve: answers([structuredAck.subarray(0, 13)]),
    code: "nbd.handshake",
    detail: /the server gave no answer within 0\.3 s$/,
  },
  {
    name: "sends information without an end",
    serve: async (stage) => {
      await answers(structured, noContext, [])(stage);
      const description = info(encodeUint16(2), new Uint8Array(4000));
      try {
        while (true) await stage.say(description);
      } catch {
        stage.hangUp();
        return true;
      }
    },
    code: "nbd.handshake",
    detail: /the server gave no answer within 0\.3 s$/,
  },
  {
    name: "hangs up at once",
    serve: (stage) => {
      stage.hangUp();
      return Promise.resolve(true);
    },
    code: "nbd.disconnected",
    detail: /ended: /,
  },
  {
    name: "hangs up in the middle of a reply",
    serve: async (stage) => {
      await answers([structuredAck.subarray(0, 19)])(stage);
      stage.hangUp();
      return true;
    },
    code: "nbd.disconnected",
    detail: /ended: the server closed it$/,
  },
  {
    name: "has a wrong option reply magic",
    serve: answers([uint64(1), new Uint8Array(12)]),
    code: "nbd.protocol",
    detail: /option reply magic is 0x1, expected 0x3e889045565a9$/,
  },
  {
    name: "answers another option",
    serve: answers([optionReply(NBD_OPT_GO, NBD_REP_ACK)]),
    code: "nbd.protocol",
    detail: /reply is to NBD_OPT_GO, expected NBD_OPT_STRUCTURED_REPLY$/,
  },
  {
    name: "announces a reply of 4 GiB",
    serve: answers([
      uint64(magics.NBD_REP_MAGIC),
      ...[NBD_OPT_STRUCTURED_REPLY, NBD_REP_ACK, 0xffff_ffff].map(encodeUint32),
    ]),
    code: "nbd.protocol",
    detail: /NBD_REP_ACK has 4294967295 bytes, expected at most 8192$/,
  },
  {
    name: "answers with a type that does not belong there",
    serve: answers([optionReply(NBD_OPT_STRUCTURED_REPLY, NBD_REP_SERVER)]),
    code: "nbd.protocol",
    detail: /NBD_REP_SERVER is no answer to NBD_OPT_STRUCTURED_REPLY$/,
  },
  {
    name: "shuts down",
    serve: answers([
      optionReply(
        NBD_OPT_STRUCTURED_REPLY,
        NBD_REP_ERR_SHUTDOWN,
        new TextEncoder().encode("bye\nbye\u001b[31m"),
      ),
    ]),
    code: "nbd.handshake",
    detail: /answers NBD_OPT_STRUCTURED_REPLY with NBD_REP_ERR_SHUTDOWN: "bye bye \[31m"$/,
  },
  {
    name: "gives a metadata context that nobody asked for",
    serve: answers(structured, [metaContext(1, "base:other")]),
    code: "nbd.protocol",
    detail: /gives id 1 to "base:other", expected each of "base:allocation", "x-v:m" at most once$/,
  },
  {
    name: "gives a metadata context twice",
    serve: answers(structured, [metaContext(1, "x-v:m"), metaContext(2, "x-v:m")]),
    code: "nbd.protocol",
    detail: /gives id 2 to "x-v:m"/,
  },
  {
    name: "gives one id to two metadata contexts",
    serve: answers(structured, [metaContext(1, "x-v:m"), metaContext(1, "base:allocation")]),
    code: "nbd.protocol",
    detail: /gives id 1 to "base:allocation"/,
  },
  {
    name: "cuts a metadata context short",
    serve: answers(structured, [
      optionReply(
        NBD_OPT_SET_META_CONTEXT,
        optionReplyTypes.NBD_REP_META_CONTEXT,
        new Uint8Array(3),
      ),
    ]),
    code: "nbd.protocol",
    detail: /NBD_REP_META_CONTEXT has 3 bytes, expected at least 4$/,
  },
  {
    name: "never tells the size",
    serve: answers(structured, noContext, [blockSizeInfo(1, 4096, 65536), go]),
    code: "nbd.protocol",
    detail: /NBD_OPT_GO ended without NBD_INFO_EXPORT$/,
  },
  {
    name: "tells the size in too few bytes",
    serve: answers(structured, noContext, [info(encodeUint16(0), new Uint8Array(8)), go]),
    code: "nbd.protocol",
    detail: /NBD_REP_INFO has 10 bytes, expected 12$/,
  },
  {
    name: "sends information of one byte",
    serve: answers(structured, noContext, [info(new Uint8Array(1)), go]),
    code: "nbd.protocol",
    detail: /NBD_REP_INFO has 1 bytes, expected 2$/,
  },
  {
    name: "has an export of 2^64 - 1 bytes",
    serve: answers(structured, noContext, [exportInfo(2n ** 64n - 1n), go]),
    code: "nbd.handshake",
    detail: /the export has 18446744073709552000 bytes, more than 2\^53 - 1$/,
  },
  {
    name: "has transmission flags without NBD_FLAG_HAS_FLAGS",
    serve: answers(structured, noContext, [exportInfo(4096, 2), go]),
    code: "nbd.protocol",
    detail: /transmission flags are 0x2 without NBD_FLAG_HAS_FLAGS$/,
  },
  ...badBlockSizes.map(([minimum, preferred, maximum]) => ({
    name: `has block sizes ${minimum}, ${preferred}, ${maximum}`,
    serve: answers(structured, noContext, [
      exportInfo(4096),
      blockSizeInfo(minimum, preferred, maximum),
      go,
    ]),
    code: "nbd.protocol",
    detail: new RegExp(
      `block sizes are minimum ${minimum}, preferred ${preferred}, maximum ${maximum}, expected`,
    ),
  })),
];

for (const { name, serve, code, detail } of badHandshakes) {
  Deno.test(`connectNbd ends in one ${code} error when the server ${name}`, async () => {
    await withScriptedServer(serve, async (server) => {
      const connecting = connect(server, {
        exportName: "vda",
        metaContexts: ["base:allocation", "x-v:m"],
        handshakeTimeoutMs: code === "nbd.handshake" ? 300 : 30_000,
      });
      await assert.rejects(connecting, (error) => {
        assert(error instanceof VmbError);
        assert.equal(error.code, code);
        assert.match(error.message, detail);
        assert(error.message.includes(`export "vda" on "${server.socketPath}"`));
        return true;
      });
    });
  });
}

Deno.test("connectNbd goes on without contexts when the server has no structured replies", async () => {
  await withScriptedServer((stage) => shakeHands(stage, { structured: false }), async (server) => {
    const client = await connect(server, { metaContexts: ["base:allocation"] });
    assert.deepEqual([...client.contexts], []);
    client.destroy();
  });
});

Deno.test("connectNbd goes on without contexts when the server does not know the option", async () => {
  const unknown = [optionReply(NBD_OPT_SET_META_CONTEXT, NBD_REP_ERR_UNSUP)];
  const serve = answers(structured, unknown, [exportInfo(4096), go]);
  await withScriptedServer(serve, async (server) => {
    const client = await connect(server, { metaContexts: ["base:allocation"] });
    assert.deepEqual([...client.contexts], []);
    client.destroy();
  });
});

Deno.test("connectNbd takes the document's block sizes where the server tells none, and 32 MiB at most", async () => {
  await withScriptedServer((stage) => shakeHands(stage), async (server) => {
    const client = await connect(server);
    assert.deepEqual(client.blockSize, { minimum: 1, preferred: 4096, maximum: 2 ** 25 });
    client.destroy();
  });
  const blockSize = [512, 4096, 0xffff_ffff] as const;
  await withScriptedServer((stage) => shakeHands(stage, { blockSize }), async (server) => {
    const client = await connect(server);
    assert.deepEqual(client.blockSize, { minimum: 512, preferred: 4096, maximum: 2 ** 25 });
    client.destroy();
  });
});

Deno.test("connectNbd sends NBD_OPT_ABORT when it does not like what it hears", async () => {
  const heard: number[] = [];
  const serve = async (stage: Stage) => {
    await answers([optionReply(NBD_OPT_STRUCTURED_REPLY, NBD_REP_ERR_SHUTDOWN)])(stage);
    heard.push((await stage.hearOption()).option);
  };
  await withScriptedServer(serve, async (server) => {
    await assert.rejects(connect(server), { code: "nbd.handshake" });
  });
  assert.deepEqual(heard, [NBD_OPT_ABORT]);
});

Deno.test("connectNbd names an export that qemu-nbd does not have", async () => {
  await using folder = await temporaryFolder();
  const [image, socketPath] = [`${folder.path}/disk`, `${folder.path}/s`];
  await output("qemu-img", "create", "-q", image, "1M");
  const argv = ["--fork", `--pid-file=${folder.path}/pid`, `--socket=${socketPath}`];
  await output("qemu-nbd", ...argv, "--read-only", "--format=raw", "--export-name=vda", image);
  try {
    await assert.rejects(
      connect({ socketPath }, { exportName: "vdb", metaContexts: ["base:allocation"] }),
      (error) => {
        assert(error instanceof VmbError);
        assert.equal(error.code, "nbd.handshake");
        assert.match(
          error.message,
          /^NBD handshake failed for export "vdb" on "\S+": the server has no such export \(NBD_REP_ERR_UNKNOWN\): /,
        );
        assert.match(error.hint ?? "", /nbdinfo --list/);
        return true;
      },
    );
  } finally {
    Deno.kill(Number(await Deno.readTextFile(`${folder.path}/pid`)), "SIGKILL");
  }
});

Deno.test("connectNbd refuses what nbdkit offers as oldstyle, not fixed, or for TLS only", async () => {
  await using folder = await temporaryFolder();
  const keys = `${folder.path}/keys`;
  await Deno.writeTextFile(keys, `somebody:${"ab".repeat(32)}\n`);
  const cases = [
    { mode: ["--oldstyle"], detail: /oldstyle negotiation/ },
    { mode: ["--mask-handshake=0"], detail: /NBD_FLAG_FIXED_NEWSTYLE/ },
    { mode: ["--mask-handshake=2"], detail: /NBD_FLAG_FIXED_NEWSTYLE/ },
    {
      mode: ["--tls=require", `--tls-psk=${keys}`],
      detail: /insists on TLS \(NBD_REP_ERR_TLS_REQD\)/,
    },
  ];
  for (const { mode, detail } of cases) {
    await using server = await startNbdkit(...mode, "memory", "size=1M");
    await assert.rejects(connect(server), { code: "nbd.handshake", message: detail });
  }
});

Deno.test("connectNbd says that nobody listens", async () => {
  await using folder = await temporaryFolder();
  await assert.rejects(connect({ socketPath: `${folder.path}/none` }, { exportName: "vda" }), {
    code: "nbd.connect",
    message: /^No connection to the NBD server of export "vda" on "\S+\/none": No such file/,
  });
});

Deno.test("connectNbd rejects with the reason of its signal, before and during the handshake", async () => {
  const why = new Error("stopped by SIGINT");
  await assert.rejects(connect({ socketPath: "/none" }, { signal: AbortSignal.abort(why) }), why);
  const stop = new AbortController();
  const serve = async (stage: Stage) => {
    await greet(stage);
    stop.abort(why);
  };
  await withScriptedServer(serve, async (server) => {
    await assert.rejects(connect(server, { signal: stop.signal }), why);
  });
});

Deno.test("connectNbd closes a connection that opens after it gave up", async () => {
  const opened = Promise.withResolvers<void>();
  await withScriptedServer((stage) => stage.untilClosed(), async (server) => {
    const network = {
      async connectUnix(path: string) {
        await opened.promise;
        return await systemNetwork.connectUnix(path);
      },
    };
    await assert.rejects(connect(server, { network, handshakeTimeoutMs: 1 }), {
      code: "nbd.handshake",
    });
    opened.resolve();
  });
});
