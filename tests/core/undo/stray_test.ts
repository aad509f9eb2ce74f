import assert from "node:assert/strict";
import { systemClock } from "../../../core/sys/clock.ts";
import { systemFiles } from "../../../core/sys/files.ts";
import { systemHost } from "../../../core/sys/host.ts";
import { runOk, systemProcesses } from "../../../core/sys/process.ts";
import { serveImages } from "../../../core/image/export_server.ts";
import { endStrayProcesses, processesUsing } from "../../../core/undo/stray.ts";
import { temporaryFolder } from "../nbd/servers.ts";
import { fakeClock } from "../sys/fake_clock.ts";

const system = {
  files: systemFiles,
  host: systemHost,
  clock: systemClock,
  processes: systemProcesses,
};

Deno.test("endStrayProcesses ends the image servers of a folder, and no one else's", async () => {
  await using ours = await temporaryFolder();
  await using others = await temporaryFolder();
  const image = `${ours.path}/image`;
  await runOk(systemProcesses, ["truncate", "--size=1M", image]);
  const served = [{ target: "vda", path: image, format: "raw" }];
  await using mine = disposable(await serveImages(system, served, inFolder(ours.path)));
  await using foreign = disposable(await serveImages(system, served, inFolder(others.path)));
  const [stray, ...rest] = await processesUsing(system, ours.path);
  // The foreign server's image lies in our folder: its command line names it too.
  assert.equal(rest.length, 1);
  assert.match(stray?.argv[0] ?? "", /(^|\/)qemu-nbd$/);

  const folder = `${others.path}`;
  assert.equal((await processesUsing(system, folder)).length, 1);
  await endStrayProcesses(system, [folder], 10_000);
  assert.deepEqual(await processesUsing(system, folder), []);
  assert.equal((await processesUsing(system, ours.path)).length, 1);
  assert.deepEqual([mine.exports.length, foreign.exports.length], [1, 1]);
});

Deno.test("endStrayProcesses spares us, and programs that are not ours", async () => {
  // A list of its own: on a hypervisor, virsh of other runs come and go while this test runs.
  const processes: Readonly<Record<string, string>> = {
    [systemHost.pid]: "virsh\0/run/vmb/run-1/batch",
    "4194301": "/usr/bin/rsync\0/run/vmb/run-1/x",
    "4194302": "/opt/virsh-like\0/run/vmb/run-1/x",
    "4194303": "/usr/bin/qemu-nbd\0--socket=/run/vmb/run-2/x.sock",
    uptime: "",
  };
  const files = {
    ...systemFiles,
    list: () => Promise.resolve(Object.keys(processes)),
    readText: (path: string) => Promise.resolve(processes[path.split("/")[2] ?? ""] ?? ""),
  };
  const clock = fakeClock();
  const killed: number[] = [];
  const host = { ...systemHost, kill: (pid: number) => killed.push(pid) > 0 };
  const named = await processesUsing({ files }, "/run/vmb/run-1");
  assert.deepEqual(named.map(({ pid }) => pid).sort(), [systemHost.pid, 4194301, 4194302].sort());
  await endStrayProcesses({ files, host, clock }, ["/run/vmb/run-1"], 1000);
  assert.deepEqual([killed, clock.monotonic()], [[], 0]);
});

Deno.test("endStrayProcesses waits for a virsh, which may hold a thaw, and only so long", async () => {
  await using folder = await temporaryFolder();
  await Deno.symlink("/bin/sleep", `${folder.path}/virsh`);
  const child = new Deno.Command(`${folder.path}/virsh`, { args: ["30"] }).spawn();
  try {
    const clock = fakeClock();
    const killed: number[] = [];
    const host = { ...systemHost, kill: (pid: number) => killed.push(pid) > 0 };
    await assert.rejects(endStrayProcesses({ ...system, host, clock }, [folder.path], 1000), {
      code: "recover.busy",
      message: /virsh 30$/,
    });
    assert.deepEqual(killed, []);
    assert.ok(clock.monotonic() > 1000 && clock.monotonic() < 1300);
  } finally {
    child.kill("SIGKILL");
    await child.status;
  }
});

Deno.test("processesUsing takes a folder for itself, not for one whose name begins like it", async () => {
  await using folder = await temporaryFolder();
  const child = new Deno.Command("sleep", { args: ["30"], env: {} }).spawn();
  const named = new Deno.Command("sh", {
    args: ["-c", "read x", `--socket=${folder.path}/run-11/x.sock`],
    stdin: "piped",
  }).spawn();
  try {
    const pids = async (name: string) =>
      (await processesUsing(system, `${folder.path}/${name}`)).map(({ pid }) => pid);
    assert.deepEqual(await pids("run-11"), [named.pid]);
    assert.deepEqual(await pids("run-1"), []);
  } finally {
    child.kill("SIGKILL");
    named.kill("SIGKILL");
    await named.stdin.close().catch(() => {});
    await Promise.all([child.status, named.status]);
  }
});

function inFolder(path: string) {
  return { sockets: path, logs: path };
}

function disposable<T extends { stop(): Promise<void> }>(server: T): T & AsyncDisposable {
  return Object.assign(server, { [Symbol.asyncDispose]: () => server.stop() });
}
