import assert from "node:assert/strict";
import type { Event } from "../../../core/event.ts";
import { leaveFileDaemon } from "../../../core/run/own_scope.ts";
import { systemFiles } from "../../../core/sys/files.ts";
import { systemHost } from "../../../core/sys/host.ts";
import { type Argv, type Processes, systemProcesses } from "../../../core/sys/process.ts";
import { fakeClock } from "../sys/fake_clock.ts";

// systemd itself is in the systemd lab (deno task lab:ctl); here it is scripted.

const inside = "0::/system.slice/bacula-fd.service\n";

/** A machine where this process is in a control group, until systemd moves it. */
function machine(group: string, { code = 0, moves = true } = {}) {
  const calls: Argv[] = [];
  const events: Event[] = [];
  let now = group;
  const run: Processes["run"] = (argv) => {
    calls.push(argv);
    if (code === 0 && moves) now = "0::/system.slice/vmb-job-77.scope\n";
    return Promise.resolve({ argv, code, stdout: "", stderr: code === 0 ? "" : "Access denied\n" });
  };
  const system = {
    files: { ...systemFiles, readText: () => Promise.resolve(now) },
    processes: { ...systemProcesses, run },
    host: { ...systemHost, pid: 77 },
    clock: fakeClock(),
  };
  return { system, calls, events };
}

Deno.test("leaveFileDaemon moves a process that the File Daemon started, alone", async () => {
  const { system, calls, events } = machine(inside);
  await leaveFileDaemon(system, "Backup of web", (event) => events.push(event));
  const [call] = calls;
  assert.equal(calls.length, 1);
  assert.deepEqual(call?.slice(0, 2), ["busctl", "call"]);
  assert.ok(call?.includes("vmb-job-77.scope"));
  assert.match(call?.join(" ") ?? "", / PIDs au 1 77 /);
  assert.match(call?.join(" ") ?? "", / CollectMode s inactive-or-failed /);
  assert.deepEqual(events, []);
});

Deno.test("leaveFileDaemon leaves whoever was started otherwise", async () => {
  for (
    const group of [
      "0::/user.slice/user-0.slice/session-3.scope\n",
      "0::/\n",
      "",
      "0::/x/cron.service\n",
    ]
  ) {
    const { system, calls } = machine(group);
    await leaveFileDaemon(system, "Backup of web", () => {});
    assert.deepEqual(calls, []);
  }
});

Deno.test("leaveFileDaemon says when systemd refuses, and the run goes on", async () => {
  for (
    const [options, why] of [[{ code: 1 }, "Access denied"], [
      { moves: false },
      "not moved",
    ]] as const
  ) {
    const { system, events } = machine(inside, options);
    await leaveFileDaemon(system, "Backup of web", (event) => events.push(event));
    assert.equal(events.length, 1);
    assert.match(JSON.stringify(events), new RegExp(`A restart of bacula-fd.*${why}`));
  }
});
