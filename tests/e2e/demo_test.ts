import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../../scripts/demo/main.ts", import.meta.url));

Deno.test("demo leaves nothing behind when it is interrupted", async (t) => {
  // While the guest is made, while it boots, and while it is backed up.
  for (const step of ["kernel", "prepare", "check"]) {
    await t.step(`after the step "${step}"`, async () => {
      // Short, for the sake of the sockets below it.
      const base = `/tmp/d${Deno.pid % 100_000}`;
      await Deno.mkdir(base, { mode: 0o711 });
      try {
        const demo = new Deno.Command(Deno.execPath(), {
          args: ["run", "--quiet", "--allow-all", main],
          env: { VMB_LAB_DIR: base, NO_COLOR: "1" },
          stdin: "null",
          stdout: "piped",
          stderr: "inherit",
        }).spawn();
        for await (const text of demo.stdout.pipeThrough(new TextDecoderStream())) {
          if (text.includes(`✓ ${step}`)) demo.kill("SIGINT");
        }
        assert.equal((await demo.status).code, 130);
        assert.deepEqual(await Array.fromAsync(Deno.readDir(base)), []);
        assert.deepEqual(await processesNaming(base), []);
        assert.ok(!(await Deno.readTextFile("/proc/self/mounts")).includes(base));
      } finally {
        await Deno.remove(base, { recursive: true });
      }
    });
  }
});

async function processesNaming(folder: string): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    const argv = await Deno.readTextFile(`/proc/${name}/cmdline`).catch(() => "");
    if (argv.includes(`${folder}/`)) found.push(argv.replaceAll("\0", " "));
  }
  return found;
}
