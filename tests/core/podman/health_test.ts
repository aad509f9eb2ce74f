import assert from "node:assert/strict";
import { renderBacularis } from "../../../core/podman/bacularis.ts";
import { renderQuadlets } from "../../../core/podman/quadlets.ts";
import { systemProcesses } from "../../../core/sys/process.ts";
import { exampleSite } from "./example_site.ts";

const example = await exampleSite();
const tree = renderQuadlets(example);

const wells = {
  api: 'HTTP/1.1 200 OK\r\n\r\n{"output":"Welcome","error":0}',
  web: "HTTP/1.1 302 Found\r\nSet-Cookie: a=b\r\nLocation: /page,LoginPage\r\n\r\n",
} as const;
const missing = "HTTP/1.1 200 OK\r\n\r\n<h2>Bacularis - Missing dependencies</h2>";

Deno.test("HealthCmd of the web servers passes for what Bacularis answers when it works, and for nothing else", async () => {
  const sick = [
    ...[missing, 'HTTP/1.1 200 OK\r\n\r\n{"output":"no catalog","error":1000}'],
    ...[401, 404, 500, 502, 503, 504].map((status) => `HTTP/1.1 ${status} x\r\n\r\n`),
    "HTTP/1.1 302 Found\r\nLocation: /web/config/\r\n\r\n",
    ...["", "\n", "SSH-2.0 OpenSSH\r\n"],
  ];
  for (const name of ["api", "web"] as const) {
    const other = wells[name === "api" ? "web" : "api"];
    for (const answer of [wells[name], other, ...sick]) {
      await using server = answering(answer);
      const { code, stdout } = await runHealth(name, server.port);
      assert.equal(code === 0, answer === wells[name], `${name} ${JSON.stringify(answer)}`);
      // What it says is shown by podman inspect, and in the journal.
      if (code !== 0) assert.match(stdout, /^Bacularis does not work: /);
    }
    await using asked = answering(wells[name]);
    await runHealth(name, asked.port);
    const path = name === "api" ? "/api/v2/welcome" : "/";
    const login = name === "api" ? `Authorization: Basic ${btoa("vmb:pass")}\r\n` : "";
    assert.equal(await asked.asked, `GET ${path} HTTP/1.0\r\n${login}\r\n`);
    const nobody = answering("");
    await nobody[Symbol.asyncDispose]();
    assert.notEqual((await runHealth(name, nobody.port)).code, 0);
  }
});

/** Runs the script of a container's HealthCmd, at another port and with another file for the API's password. */
async function runHealth(name: "api" | "web", port: number) {
  const rendered = renderBacularis(example).get(`${name}/health.sh`)?.content ?? "";
  assert.deepEqual(healthCommand(`vmb-${name}`), ["/bin/bash", "/etc/vmb-bacularis/health.sh"]);
  const login = await Deno.makeTempFile();
  await Deno.writeTextFile(login, "vmb:pass");
  const script = rendered.replaceAll("/run/secrets/vmb-api-login", name === "api" ? login : "/none")
    .replace("9098", String(port));
  try {
    return await run(["bash", "-c", script]);
  } finally {
    await Deno.remove(login);
  }
}

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
      while (text !== "" && !/\r?\n\r?\n$/.test(request)) {
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
