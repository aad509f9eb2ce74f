import assert from "node:assert/strict";
import { announceRun, type LiveRun, liveRuns } from "../../../core/journal/live_runs.ts";
import { recover } from "../../../core/recovery/recover.ts";
import { stopRun } from "../../../core/run/stop_run.ts";
import { systemClock } from "../../../core/sys/clock.ts";
import { systemFiles } from "../../../core/sys/files.ts";
import { systemHost } from "../../../core/sys/host.ts";
import { realSystem } from "../../../core/sys/system.ts";
import { temporaryFolder } from "../nbd/servers.ts";

const holder = new URL("../run/hold_run.ts", import.meta.url).pathname;

/** A process that announces a run as vmb does, and looks like one. */
interface Holder extends AsyncDisposable {
  readonly pid: number;
  kill(signal: Deno.Signal): void;
  readonly status: Promise<Deno.CommandStatus>;
}

async function hold(folder: string, vm: string, jobId: number): Promise<Holder> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", holder, folder, "hv", "backup", vm, "--job-id", `${jobId}`],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  await reader.cancel();
  return {
    pid: child.pid,
    status: child.status,
    kill: (signal) => child.kill(signal),
    async [Symbol.asyncDispose]() {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended.
      }
      await child.status;
    },
  };
}

function stop(folder: string, vm: string, jobId: number, patienceMs = 10_000) {
  return stopRun({
    system: { clock: systemClock, files: systemFiles, host: systemHost },
    stateFolder: folder,
    ...{ vm, jobId, patienceMs, signal: new AbortController().signal },
  });
}

async function jobs(folder: string): Promise<readonly (number | null)[]> {
  return (await liveRuns(systemFiles, folder)).map(({ jobId }) => jobId);
}

Deno.test("stopRun stops the run of that VM and job, and no other", async () => {
  await using folder = await temporaryFolder();
  await using one = await hold(folder.path, "web", 11);
  await using other = await hold(folder.path, "db", 12);
  assert.deepEqual((await jobs(folder.path)).toSorted(), [11, 12]);
  for (const [vm, job] of [["web", 12], ["db", 11], ["we", 11]] as const) {
    await assert.rejects(stop(folder.path, vm, job), { code: "run.not-found", exit: 10 });
  }
  const stopped = await stop(folder.path, "web", 11);
  assert.deepEqual([stopped.vm, stopped.jobId, stopped.pid], ["web", 11, one.pid]);
  assert.equal((await one.status).code, 143);
  assert.deepEqual(await jobs(folder.path), [12]);
  assert.equal(await Deno.stat(`/proc/${other.pid}`).then(() => "lives"), "lives");
});

Deno.test("liveRuns forgets a run that was killed", async () => {
  await using folder = await temporaryFolder();
  await using run = await hold(folder.path, "web", 11);
  await using living = await hold(folder.path, "db", 12);
  run.kill("SIGKILL");
  await run.status;
  assert.deepEqual(await jobs(folder.path), [12]);
  living.kill("SIGKILL");
  await living.status;
  assert.deepEqual(
    await recover(folder.path, {
      system: realSystem,
      report: () => {},
      shareTimeoutMs: 1000,
    }),
    [],
  );
  assert.deepEqual(await systemFiles.list(`${folder.path}/live`), []);
  await assert.rejects(stop(folder.path, "web", 11), { code: "run.not-found" });
});

Deno.test("liveRuns takes no other process for a run, whoever holds the lock", async () => {
  await using folder = await temporaryFolder();
  // This test is no backup: its command line says so.
  const run: LiveRun = { kind: "backup", run: "r", vm: "web", jobId: 11, pid: Deno.pid, since: "" };
  const end = await announceRun(systemFiles, folder.path, run);
  assert.deepEqual(await systemFiles.list(`${folder.path}/live`), ["r.json"]);
  assert.deepEqual(await jobs(folder.path), []);
  await end();
  assert.deepEqual(await systemFiles.list(`${folder.path}/live`), []);
});

Deno.test("stopRun says when a run does not end in time", async () => {
  await using folder = await temporaryFolder();
  await using run = await hold(folder.path, "stubborn", 11);
  await assert.rejects(stop(folder.path, "stubborn", 11, 300), {
    code: "run.not-ended",
    exit: 1,
    message: new RegExp(`pid ${run.pid}`),
  });
});
