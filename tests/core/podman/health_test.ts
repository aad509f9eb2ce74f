import assert from "node:assert/strict";
import { renderQuadlets } from "../../../core/podman/quadlets.ts";
import { systemProcesses } from "../../../core/sys/process.ts";
import { exampleSite } from "./example_site.ts";

const tree = renderQuadlets(await exampleSite());

Deno.test("HealthCmd of the web servers fails when PHP does not answer, and only then", async () => {
  const cases: readonly (readonly [string, boolean])[] = [
    ...[200, 302, 401, 404, 500].map((status) => [`HTTP/1.1 ${status} x\r\n\r\n`, true] as const),
    ...[502, 503, 504].map((status) => [`HTTP/1.1 ${status} x\r\n\r\n`, false] as const),
    ["", false],
    ["\n", false],
    ["SSH-2.0 OpenSSH\r\n", false],
  ];
  for (const name of ["vmb-api", "vmb-web"]) {
    for (const [answer, healthy] of cases) {
      await using server = answering(answer);
      const argv = healthCommand(name).map((word) => word.replace("9098", String(server.port)));
      const { code } = await run(argv);
      assert.equal(code === 0, healthy, JSON.stringify(answer));
      if (answer !== "") assert.equal(await server.asked, "GET / HTTP/1.0\n\n");
    }
    const nobody = answering("");
    await nobody[Symbol.asyncDispose]();
    const refused = healthCommand(name).map((word) => word.replace("9098", String(nobody.port)));
    assert.notEqual((await run(refused)).code, 0);
  }
});

Deno.test("HealthCmd of the Storage Daemon sees whether its port listens", async () => {
  const argv = healthCommand("vmb-storage");
  assert.ok(argv.some((word) => word.includes(`:${(9103).toString(16).toUpperCase()} `)));
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  const ours = argv.map((word) => word.replace("238F", hex));
  try {
    assert.equal((await run(ours)).code, 0);
  } finally {
    listener.close();
  }
  assert.equal((await run(ours)).code, 1);
});

/** The words of a container's HealthCmd, after systemd has read them. */
function healthCommand(name: string): readonly string[] {
  const content = tree.get(`quadlets/${name}.container`)?.content ?? "";
  const [, value = ""] = /^HealthCmd=(.*)$/m.exec(content) ?? [];
  const [, startup] = /^HealthStartupCmd=(.*)$/m.exec(content) ?? [];
  assert.equal(startup, value);
  return JSON.parse(value.replaceAll("%%", "%").replaceAll("$$", "$"));
}

function run(argv: readonly string[]) {
  const [program = "", ...args] = argv;
  return systemProcesses.run([program, ...args], { timeoutMs: 10_000 });
}

/** Answers one connection with a text, and closes it. */
function answering(
  text: string,
): AsyncDisposable & { readonly port: number; readonly asked: Promise<string> } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const asked = (async () => {
    const connection = await listener.accept();
    try {
      let request = "";
      const buffer = new Uint8Array(100);
      while (text !== "" && !request.endsWith("\n\n")) {
        const count = await connection.read(buffer);
        if (count === null) break;
        request += new TextDecoder().decode(buffer.subarray(0, count));
      }
      await connection.write(new TextEncoder().encode(text)).catch(() => 0);
      return request;
    } finally {
      connection.close();
    }
  })();
  asked.catch(() => {});
  return {
    port: (listener.addr as Deno.NetAddr).port,
    asked,
    async [Symbol.asyncDispose]() {
      listener.close();
      await asked.catch(() => {});
    },
  };
}
