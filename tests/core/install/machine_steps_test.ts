import assert from "node:assert/strict";
import { fileDaemonSteps } from "../../../core/install/file_daemon.ts";
import { places } from "../../../core/install/places.ts";
import type { PlannedChange } from "../../../core/install/plan.ts";
import { programLabel, relabelSteps } from "../../../core/install/selinux.ts";
import { timerSteps } from "../../../core/install/systemd.ts";
import { timerPaths } from "../../../core/install/timers.ts";
import { type FileInfo, systemFiles } from "../../../core/sys/files.ts";
import type { Argv, Processes } from "../../../core/sys/process.ts";
import { showArgv } from "../../../core/sys/process.ts";

// No machine that runs these tests has systemd or SELinux: their programs are scripted here.

interface Script {
  /** Paths that are there, and when they were changed, in milliseconds. */
  readonly present: Readonly<Record<string, number>>;
  readonly texts?: Readonly<Record<string, string>>;
  /** For a command its exit status and output; one that is not listed fails the test. */
  readonly commands: Readonly<Record<string, readonly [number, string]>>;
}

function scripted({ present, texts = {}, commands }: Script) {
  const inspect = (path: string) =>
    Promise.resolve(
      path in present ? { kind: "file", modified: present[path] } as FileInfo : undefined,
    );
  const files = {
    ...systemFiles,
    inspect,
    inspectTarget: inspect,
    readText: (path: string) => Promise.resolve(texts[path] ?? ""),
  };
  const run: Processes["run"] = (argv: Argv) => {
    const said = commands[showArgv(argv)];
    if (said === undefined) return Promise.reject(new Error(`unexpected: ${showArgv(argv)}`));
    return Promise.resolve({ argv, code: said[0], stdout: said[1], stderr: "" });
  };
  return { files, processes: { run, start: refuse, follow: refuse } };
}

function refuse(): never {
  throw new Error("unexpected");
}

function change(path: string, how: PlannedChange["change"]): PlannedChange {
  return {
    ...{ kind: "file", path, change: how, from: undefined, to: undefined, diff: "" },
    ...{ question: false, declined: false, setAside: false },
    ...{ mode: undefined, takenFrom: undefined },
  };
}

const systemd = { "/run/systemd/system": 0 };
const { timer, unit, enabled } = timerPaths("verify");

Deno.test("timerSteps reloads systemd for changed units, and starts their timers", async () => {
  const system = scripted({
    present: systemd,
    commands: { "systemctl is-active --quiet vmb-recover.timer": [3, ""] },
  });
  const { before, after } = await timerSteps(system, "", ["recover", "verify"], [
    change(timer, "create"),
  ]);
  assert.deepEqual(before, []);
  assert.deepEqual(after, [
    ["systemctl", "daemon-reload"],
    ["systemctl", "start", "vmb-recover.timer"],
    ["systemctl", "restart", unit],
  ]);
});

Deno.test("timerSteps stops a timer before it is removed", async () => {
  const system = scripted({ present: systemd, commands: {} });
  const { before, after } = await timerSteps(system, "", [], [change(enabled, "remove")]);
  assert.deepEqual(before, [["systemctl", "stop", unit]]);
  assert.deepEqual(after, [["systemctl", "daemon-reload"]]);
});

Deno.test("timerSteps does nothing when all is as it was, without systemd, or below a prefix", async () => {
  const active = scripted({
    present: systemd,
    commands: { "systemctl is-active --quiet vmb-recover.timer": [0, ""] },
  });
  const nothing = { before: [], after: [] };
  assert.deepEqual(await timerSteps(active, "", ["recover"], [change(timer, "keep")]), nothing);
  const without = scripted({ present: {}, commands: {} });
  const changes = [change(timer, "create")];
  assert.deepEqual(await timerSteps(without, "", ["recover"], changes), nothing);
  assert.deepEqual(await timerSteps(active, "/image", ["recover"], changes), nothing);
});

const show = "systemctl show --timestamp=us+utc " +
  "--property=ActiveState,InactiveExitTimestamp,ControlGroup bacula-fd.service";
const since = Date.parse("2026-11-22T14:04:35.595Z");
const active = "ActiveState=active\nInactiveExitTimestamp=Sun 2026-11-22 14:04:35.595606 UTC\n" +
  "ControlGroup=/system.slice/fd\n";
const pids = "/sys/fs/cgroup/system.slice/fd/cgroup.procs";
const listScopes = "systemctl list-units --plain --no-legend 'vmb-job-*.scope'";
const { fileDaemonConfig: config } = places;

Deno.test("fileDaemonSteps restarts a File Daemon that runs nothing, once", async () => {
  const at = (modified: number, said = active) =>
    scripted({
      present: { ...systemd, [config]: modified },
      texts: { [pids]: "77\n" },
      commands: { [show]: [0, said], [listScopes]: [0, ""] },
    });
  const restart = { steps: [["systemctl", "restart", "bacula-fd.service"]], notes: [] };
  const nothing = { steps: [], notes: [] };
  const [updated, kept] = [[change(config, "update")], [change(config, "keep")]];
  assert.deepEqual(await fileDaemonSteps(at(since - 60_000), "", updated), restart);
  assert.deepEqual(await fileDaemonSteps(at(since - 60_000), "", kept), nothing);
  // Written in the second in which it was started.
  assert.deepEqual(await fileDaemonSteps(at(since - 300), "", kept), nothing);
  assert.deepEqual(await fileDaemonSteps(at(since), "", kept), nothing);
  // It was busy when the file was changed.
  assert.deepEqual(await fileDaemonSteps(at(since + 60_000), "", kept), restart);
  assert.deepEqual(await fileDaemonSteps(at(since + 1), "", kept), restart);
  const untold = active.replace(/Timestamp=.*/, "Timestamp=n/a");
  assert.deepEqual(await fileDaemonSteps(at(since - 60_000, untold), "", kept), restart);
});

Deno.test("fileDaemonSteps leaves a File Daemon alone that runs a program, and says so", async () => {
  const scope = "vmb-job-99.scope loaded active running Backup of web\n";
  for (const [text, scopes] of [["77\n99\n", ""], ["", ""], ["77\n", scope]] as const) {
    const system = scripted({
      present: { ...systemd, [config]: since + 60_000 },
      texts: { [pids]: text },
      commands: { [show]: [0, active], [listScopes]: [0, scopes] },
    });
    const { steps, notes } = await fileDaemonSteps(system, "", [change(config, "update")]);
    assert.deepEqual(steps, []);
    assert.match(notes.join(), /install again when the job has ended/);
  }
});

Deno.test("fileDaemonSteps says that there is no File Daemon", async () => {
  const system = scripted({
    present: { ...systemd, [config]: 0 },
    commands: { [show]: [0, "ActiveState=inactive\nInactiveExitTimestamp=\nControlGroup=\n"] },
  });
  const { steps, notes } = await fileDaemonSteps(system, "", [change(config, "create")]);
  assert.deepEqual([steps, notes], [[], ["bacula-fd.service does not run: install and start it"]]);
});

const selinux = { "/sys/fs/selinux/enforce": 0 };
const type = "bacula_unconfined_script_exec_t";
const probe = "dd of=/sys/fs/selinux/context status=none";
const expected = `matchpathcon -n ${places.program}`;
const current = `stat --format=%C ${places.program}`;
const ofLauncher = {
  expected: `matchpathcon -n ${places.launcher}`,
  current: `stat --format=%C ${places.launcher}`,
};

Deno.test("programLabel is what the policy knows, and nothing where there is none", async () => {
  const asks = (code: number) => scripted({ present: selinux, commands: { [probe]: [code, ""] } });
  assert.equal(await programLabel(asks(0), ""), type);
  assert.equal(await programLabel(asks(1), ""), undefined);
  assert.equal(await programLabel(asks(0), "/image"), undefined);
  assert.equal(await programLabel(scripted({ present: {}, commands: {} }), ""), undefined);
});

Deno.test("relabelSteps makes the label last, and is done once", async () => {
  const fresh = scripted({
    present: selinux,
    commands: {
      [expected]: [0, "system_u:object_r:bin_t:s0\n"],
      [current]: [0, "unconfined_u:object_r:bin_t:s0\n"],
      [ofLauncher.expected]: [0, "system_u:object_r:usr_t:s0\n"],
      [ofLauncher.current]: [0, "unconfined_u:object_r:usr_t:s0\n"],
      "semanage --help": [0, ""],
    },
  });
  const changes = [change(places.program, "create"), change(places.logrotate, "create")];
  assert.deepEqual(await relabelSteps(fresh, "", type, changes), [
    ["semanage", "fcontext", "--add", "--type", type, places.program],
    ["semanage", "fcontext", "--add", "--type", type, places.launcher],
    ["restorecon", "-R", places.base, places.logrotate],
    ["chcon", `--type=${type}`, places.program],
    ["chcon", `--type=${type}`, places.launcher],
  ]);
  const done = scripted({
    present: selinux,
    commands: {
      [expected]: [0, `system_u:object_r:${type}:s0\n`],
      [current]: [0, `system_u:object_r:${type}:s0\n`],
      [ofLauncher.expected]: [0, `system_u:object_r:${type}:s0\n`],
      [ofLauncher.current]: [0, `system_u:object_r:${type}:s0\n`],
      "semanage --help": [0, ""],
    },
  });
  assert.deepEqual(await relabelSteps(done, "", type, [change(places.program, "keep")]), []);
});

Deno.test("relabelSteps without semanage labels what there is", async () => {
  const system = scripted({
    present: selinux,
    commands: {
      [expected]: [0, "system_u:object_r:bin_t:s0\n"],
      [current]: [0, `system_u:object_r:${type}:s0\n`],
      [ofLauncher.expected]: [0, "system_u:object_r:usr_t:s0\n"],
      [ofLauncher.current]: [0, `system_u:object_r:${type}:s0\n`],
    },
  });
  assert.deepEqual(await relabelSteps(system, "", type, [change(places.program, "update")]), [
    ["restorecon", "-R", places.base],
    ["chcon", `--type=${type}`, places.program],
    ["chcon", `--type=${type}`, places.launcher],
  ]);
  assert.deepEqual(await relabelSteps(system, "", type, [change(places.program, "keep")]), []);
});
