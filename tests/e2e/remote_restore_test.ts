import assert from "node:assert/strict";
import { smallSite } from "../core/config/repository_folder.ts";
import { openRepository } from "../core/render/repository.ts";
import { openSshDoor } from "../lab/ssh_door.ts";
import { waitFor } from "../lab/wait.ts";
import { program } from "./program.ts";
import { assertEnded, vmbArgv } from "./site.ts";

/** Stands in for the vmb of a hypervisor: it restores until it is stopped, and then undoes it. */
const restorer = `#!/bin/sh
trap 'echo undone >>"$0.log"; echo "vmb: Stopped by SIGTERM" >&2; exit 143' TERM
echo "$$" >"$0.pid"
echo "== Restoring $*" >&2
# It ends with its folder: a test that fails leaves nothing.
while [ -e "$0" ]; do sleep 0.05; done
`;

Deno.test("vmb ctl restore --on has the restore there undone when it is stopped here", async (t) => {
  const folder = await Deno.makeTempDir({ prefix: "vmb-restorer-" });
  await using _ = { [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }) };
  const vmb = `${folder}/vmb`;
  await Deno.writeTextFile(vmb, restorer, { mode: 0o755 });
  await using door = await openSshDoor(vmb);
  const hypervisor = `{ name: hv1, address: 127.0.0.1, ssh: { port: ${door.port} } }`;
  await using repository = await openRepository({
    "site.yaml": smallSite.replace(/\{ name: hv1, .*\}/, hypervisor),
    "vm-list.yaml": "vms: [{ name: web, hypervisor: hv1 }]\n",
  });

  for (const [signal, code] of [["INT", 130], ["TERM", 143]] as const) {
    await t.step(`SIG${signal}, to all of our terminal`, async () => {
      const run = start(repository.folder, door.sshConfig);
      await run.until(/== Restoring hv restore web latest/);
      // Ctrl-C reaches the whole group, whose number is that of its first process.
      await program("kill", `-${signal}`, "--", `-${run.pid}`);
      const ended = await run.ended;
      assertEnded(ended, code);
      assert.match(
        ended.stderr,
        /SIG(INT|TERM): asking hv1 to stop the restore, and to undo what it began\nvmb: Stopped by SIGTERM\nvmb: Stopped by SIG\1\n$/,
      );
      assert.equal(await Deno.readTextFile(`${vmb}.log`), "undone\n");
      await Deno.remove(`${vmb}.log`);
    });
  }

  await t.step("what is killed here, as by a broken connection, goes on there", async () => {
    const run = start(repository.folder, door.sshConfig);
    await run.until(/== Restoring/);
    await program("kill", "-KILL", `${run.pid}`);
    await run.ended;
    const pid = Number(await Deno.readTextFile(`${vmb}.pid`));
    await waitFor(async () => await hasNoWatcher(pid) || undefined, {
      what: "the end of the shell's watch",
      deadlineMs: 10_000,
    });
    // It is there to get a signal, and is what says that it was undone.
    Deno.kill(pid, "SIGTERM");
    await waitFor(() => Deno.readTextFile(`${vmb}.log`).catch(() => undefined), {
      what: "the end of the restore",
      deadlineMs: 10_000,
    });
  });
});

/** Whether the shell that runs a process has no other child. */
async function hasNoWatcher(pid: number): Promise<boolean> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  const shell = /^PPid:\s*(\d+)$/m.exec(status)?.[1];
  const children = await Deno.readTextFile(`/proc/${shell}/task/${shell}/children`);
  return children.trim() === String(pid);
}

function start(repository: string, sshConfig: string) {
  const [command = "", ...before] = vmbArgv();
  const child = new Deno.Command(command, {
    args: [...before, "ctl", "restore", "web", "--on", "hv1"],
    env: { VMB_REPOSITORY: repository, VMB_SSH_CONFIG: sshConfig },
    detached: true,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let stderr = "";
  let look = () => {};
  const reading = (async () => {
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
      stderr += text;
      look();
    }
  })();
  const output = new Response(child.stdout).text();
  const ended = (async () => {
    const { code } = await child.status;
    await reading;
    return { code, stdout: await output, stderr };
  })();
  return {
    pid: child.pid,
    ended,
    until: (pattern: RegExp) =>
      new Promise<void>((resolve, reject) => {
        look = () => pattern.test(stderr) && resolve();
        look();
        ended.then(() => reject(new Error(`vmb ended before ${pattern}:\n${stderr}`)));
      }),
  };
}
