import assert from "node:assert/strict";
import { remoteCommand } from "../../../core/ssh/remote_command.ts";
import { stoppable } from "../../../core/ssh/stoppable.ts";
import type { Argv, Completed, RunOptions } from "../../../core/sys/process.ts";
import { realSystem } from "../../../core/sys/system.ts";
import { recordedConsole } from "../../core/bacula/recorded_console.ts";
import { openRepository, type Repository } from "../../core/render/repository.ts";
import { fakeClock } from "../../core/sys/fake_clock.ts";
import { type Ended, openSite } from "../run.ts";

/** A control VM whose Director answers as a real one did, and whose hypervisors answer as they are told. */
interface Control extends AsyncDisposable {
  readonly folder: string;
  readonly said: readonly string[];
  /** Programs that ran on hypervisors, as ssh was given them. */
  readonly remote: readonly string[];
  run(...args: readonly string[]): Promise<Ended>;
}

async function openControl(
  { answers = {}, hypervisor = {}, calledAs = "vmb" }: {
    readonly answers?: Readonly<Record<string, string>>;
    readonly hypervisor?: Partial<Completed>;
    readonly calledAs?: string;
  } = {},
): Promise<Control> {
  const repository: Repository = await openRepository({
    "vm-list.yaml": `vms:
  - { name: web, hypervisor: hv1, priority: 10 }
  - { name: slow, hypervisor: hv2, priority: 40 }
  - { name: broken, hypervisor: hv1, priority: 30 }
  - { name: later, hypervisor: hv2, priority: 50 }
`,
  });
  const bconsole = recordedConsole("15.0.3", answers);
  const remote: string[] = [];
  const site = await openSite({
    changes: {
      clock: fakeClock("2026-11-22T10:52:16.000Z"),
      host: { ...realSystem.host, onStopSignal: () => () => {}, calledAs: () => calledAs },
      processes: {
        ...realSystem.processes,
        run(argv: Argv, options?: RunOptions) {
          if (argv[0] === "podman") return bconsole.run(argv, options);
          assert.equal(argv[0], "ssh");
          remote.push(argv.at(-1) ?? "");
          const { code = 0, stdout = "", stderr = "" } = hypervisor;
          options?.onStderr?.(stderr);
          return Promise.resolve({ argv, code, stdout, stderr });
        },
      },
    },
  });
  return {
    folder: repository.folder,
    said: bconsole.said,
    remote,
    run(...args) {
      const needsIt = args[0] !== "ctl" || (args[1] !== "log" && !args.includes("--help"));
      return site.run(...args, ...(needsIt ? ["--repository", repository.folder] : []));
    },
    async [Symbol.asyncDispose]() {
      await site[Symbol.asyncDispose]();
      await repository[Symbol.asyncDispose]();
    },
  };
}

const idle = { ".status dir running": "" } as const;

Deno.test("vmb ctl run queues the job of a VM, and gives its number", async () => {
  await using control = await openControl({
    answers: { ...idle, "run job=vm-web yes": "Job queued. JobId=1" },
  });
  const text = await control.run("ctl", "run", "web");
  assert.deepEqual(text, {
    code: 0,
    out: "web: job 1 is queued; its messages: vmb ctl log 1\n",
    err: "",
  });
  const json = await control.run("ctl", "run", "web", "--level", "incremental", "--json");
  assert.deepEqual(JSON.parse(json.out), { jobId: 1, vm: "web" });
  assert.ok(control.said.includes("run job=vm-web level=Incremental yes"));
});

Deno.test("vmb ctl run --wait ends as the job ended, and tells its messages", async () => {
  const log = "llist joblog jobid=";
  const entry = "    time: 2026-11-22 04:52:18\n logtext: hv1-fd JobId 3: no space\n";
  const answers = {
    ...idle,
    "run job=vm-web yes": "Job queued. JobId=1",
    [`${log}1`]: entry.replaceAll("3", "1"),
  };
  await using control = await openControl({ answers });
  const good = await control.run("ctl", "run", "web", "--wait");
  assert.deepEqual([good.code, good.out], [0, "web: job 1 ended well\n"]);
  const bad = await control.run("ctl", "run", "broken", "--wait");
  assert.equal(bad.code, 1);
  assert.match(bad.err, /hv1-fd: ClientBeforeJob: check failed: no space\n/);
  assert.match(bad.err, /vmb: Job 3 of VM "broken" failed\n {2}hint: .*vmb ctl log 3/);
  const warned = await openControl({
    answers: {
      ...answers,
      "llist jobid=1": "jobid: 1\nname: vm-web\nlevel: F\njobstatus: T\njoberrors: 2",
    },
  });
  await using _ = warned;
  const ended = await warned.run("ctl", "run", "web", "--wait", "--json");
  assert.deepEqual([ended.code, JSON.parse(ended.out).job.result], [3, "warnings"]);
});

Deno.test("vmb ctl run --missed queues what the cycle passed over, and names what cannot begin", async () => {
  const none = { "status storage=vmb-file": "Failed to connect to Storage vmb-file." };
  await using control = await openControl({ answers: none });
  for (const args of [["run"], ["run", "web", "--missed"]]) {
    const ended = await control.run("ctl", ...args);
    assert.equal(ended.code, 2);
    assert.match(ended.err, /expected the name of a VM, or --missed/);
  }
  assert.equal(control.said.length, 0);
});

Deno.test("vmb ctl run queues nothing for a VM that is unknown, not deployed, or at work", async () => {
  await using control = await openControl();
  const cases = [
    ["wbe", 10, /Did you mean "web"\?/],
    ["later", 10, /no job "vm-later".*\n.*vmb ctl deploy/],
    ["slow", 11, /Job 2 of VM "slow" is waiting.*\n.*vmb ctl log 2; .*vmb ctl cancel 2/],
    ['we"b', 10, /Unknown VM "we\\"b"/],
    ["web\nquit", 2, /control character/],
  ] as const;
  for (const [vm, code, words] of cases) {
    const ended = await control.run("ctl", "run", vm);
    assert.equal(ended.code, code, ended.err);
    assert.match(ended.err, words);
  }
  assert.ok(!control.said.some((command) => command.startsWith("run ")));
});

Deno.test("vmb ctl status shows what is at work, and the age of each VM's last good backup", async () => {
  await using control = await openControl();
  const text = await control.run("ctl", "status");
  assert.equal(text.code, 0, text.err);
  assert.match(text.out, /^JOB +VM +LEVEL +SINCE +STATE\n2 +slow +full +Sun 2026-11-22 05:52 +is/);
  assert.match(text.out, /\nweb +hv1 +weekly +ok +1 +7 h 0 m ago\n/);
  assert.match(text.out, /\nslow +hv2 +weekly +warnings +2 +/);
  assert.match(text.out, /\nbroken +hv1 +weekly +failed +3 +NEVER\n/);
  assert.match(text.out, /\nlater +hv2 +weekly +- +- +NEVER\n/);
  const { active, vms } = JSON.parse((await control.run("ctl", "status", "--json")).out);
  assert.deepEqual([active[0].vm, active[0].running], ["slow", false]);
  assert.deepEqual(
    vms.map(({ ageSeconds }: { ageSeconds: number | null }) => ageSeconds === null),
    [
      false,
      false,
      true,
      true,
    ],
  );
});

Deno.test("vmb ctl jobs lists jobs with the time that they really took", async () => {
  await using control = await openControl();
  const text = await control.run("ctl", "jobs");
  assert.match(text.out, /\n2 +slow +full +warnings +Sun 2026-11-22 04:52 +25\.0 s\n/);
  const { jobs } = JSON.parse((await control.run("ctl", "jobs", "--days", "30", "--json")).out);
  assert.deepEqual(jobs.map(({ id, vm }: Record<string, unknown>) => [id, vm]), [
    [1, "web"],
    [2, "slow"],
    [3, "broken"],
  ]);
  assert.ok(control.said.some((command) => command.includes("interval '30 days'")));
});

Deno.test("vmb ctl log shows the messages of a job", async () => {
  await using control = await openControl();
  const text = await control.run("ctl", "log", "3");
  assert.match(
    text.out,
    /\n2026-11-22 04:52:\d\d {2}hv1-fd: ClientBeforeJob: check failed: no space\n/,
  );
  const json = JSON.parse((await control.run("ctl", "log", "3", "--json")).out);
  assert.equal(json.job.result, "failed");
  assert.equal((await control.run("ctl", "log", "999")).code, 10);
  assert.equal((await control.run("ctl", "log", "x")).code, 2);
});

Deno.test("vmb ctl schedule shows what will run, and says whether the time suffices", async () => {
  const schedule = "status schedule days=40 limit=10000";
  const jobs = ["web", "slow", "later"].map((vm, index) =>
    `level=F\ntype=B\nname=vm-${vm}\nclient=hv1-fd\nschedtime_epoch=1795867200\npriority=${index}\n`
  ).join("\n");
  await using control = await openControl({ answers: { [schedule]: jobs } });
  const text = await control.run("ctl", "schedule");
  assert.equal(text.code, 0, text.err);
  assert.match(text.out, /^Sat 2026-11-28 13:00\n/);
  assert.match(text.out, /\n {2}Sat 2026-11-28 13:00 +slow +full +1 +hv1-fd +25\.0 s\n/);
  assert.match(text.out, /VMs take 26\.0 s of .*: the time suffices \(not counting later: never/);
  const history = "1|vm-web|F|T|0|2026-11-01 12:00:00|2026-11-01 12:00:00|2026-11-04 12:00:00";
  await using slow = await openControl({ answers: { [schedule]: jobs } });
  const [query = ""] = control.said.filter((command) => command.startsWith(".sql"));
  await using late = await openControl({ answers: { [schedule]: jobs, [query]: history } });
  const ended = await late.run("ctl", "schedule", "--json");
  assert.equal(ended.code, 6);
  assert.equal(JSON.parse(ended.out).cycles[0].suffices, false);
  assert.match(ended.err, /The time does not suffice for the cycle of Sat 2026-11-28 13:00/);
  assert.equal(slow.said.length, 0);
});

Deno.test("vmb ctl cancel cancels in Bacula, and stops the run on the hypervisor of the VM", async () => {
  const canceled = "jobid: 2\nname: vm-slow\nlevel: F\njobstatus: A\njoberrors: 1";
  await using control = await openControl({ answers: { "llist jobid=2": canceled } });
  // The Director has it at hand, the catalog says that it has ended.
  const ended = await control.run("ctl", "cancel", "slow", "--json");
  assert.equal(ended.code, 0, ended.err);
  const { jobId, canceled: now, hypervisor, stopped } = JSON.parse(ended.out);
  assert.deepEqual([jobId, now, hypervisor, stopped], [2, false, "hv2", true]);
  assert.deepEqual(control.remote, ["'/usr/local/bin/vmb' 'hv' 'cancel' 'slow' '--job-id' '2'"]);
  assert.equal((await control.run("ctl", "cancel", "later")).code, 10);
  assert.equal((await control.run("ctl", "cancel", "999")).code, 10);
});

Deno.test("vmb ctl cancel says when the hypervisor runs nothing, or was not reached", async () => {
  await using idleHost = await openControl({ hypervisor: { code: 10 } });
  const nothing = await idleHost.run("ctl", "cancel", "3");
  assert.deepEqual([nothing.code, nothing.out], [
    0,
    "broken: job 3 had ended in Bacula; nothing of it runs on hv1\n",
  ]);
  await using away = await openControl({
    hypervisor: { code: 255, stderr: "ssh: connect to host: No route to host" },
  });
  const unreached = await away.run("ctl", "cancel", "3");
  assert.equal(unreached.code, 1);
  assert.match(unreached.err, /Job 3 has ended in Bacula, but may still run on hv1: .*No route/);
  await using stubborn = await openControl({ hypervisor: { code: 1, stderr: "vmb: not ended" } });
  const running = await stubborn.run("ctl", "cancel", "3");
  assert.equal(running.code, 1);
  assert.match(
    running.err,
    /vmb: not ended[\s\S]*hint: Try again on hv1: vmb hv cancel broken --job-id 3/,
  );
});

Deno.test("vmb ctl restore shows the command of the hypervisor, or runs it there", async () => {
  await using control = await openControl({
    hypervisor: { stdout: '{"name":"copy"}\n', stderr: "== Restoring\n" },
  });
  const shown = await control.run("ctl", "restore", "web", "--name", "copy", "--start");
  assert.match(shown.out, /^On hv1, or .*:\n {2}vmb hv restore web latest --name copy --start\n/);
  const gone = JSON.parse((await control.run("ctl", "restore", "gone", "--json")).out);
  assert.deepEqual([gone.hypervisor, gone.command.at(3)], [null, "gone"]);
  assert.deepEqual(control.remote, []);
  const done = await control.run("ctl", "restore", "it's", "--on", "hv2", "--dry-run", "--json");
  assert.deepEqual([done.code, JSON.parse(done.out), done.err], [
    0,
    { name: "copy" },
    "== Restoring\n",
  ]);
  const words = ["hv", "restore", "it's", "latest", "--dry-run", "--json"];
  assert.deepEqual(control.remote, [remoteCommand(stoppable(["/usr/local/bin/vmb", ...words]))]);
  assert.equal((await control.run("ctl", "restore", "web", "--on", "hv9")).code, 10);
  await using failing = await openControl({ hypervisor: { code: 6, stderr: "vmb: in the way\n" } });
  const failed = await failing.run("ctl", "restore", "web", "--on", "hv2");
  assert.equal(failed.code, 6);
  assert.match(failed.err, /^vmb: in the way\nvmb: Restore of "web" on hv2 ended with status 6\n/);
});

Deno.test("lab-backup has the commands of every day, and only these", async () => {
  await using control = await openControl({ calledAs: "lab-backup" });
  const status = await control.run("status");
  assert.match(status.out, /\nweb +hv1 /);
  assert.match((await control.run("restore", "web")).out, /vmb hv restore web latest/);
  assert.equal((await control.run("run", "slow")).code, 11);
  assert.equal((await control.run("hv", "list")).code, 2);
});

Deno.test("commands of every day end with 1 when the Director is not reached", async () => {
  await using site = await openSite({
    changes: {
      processes: {
        ...realSystem.processes,
        run: (argv) =>
          Promise.resolve({ argv, code: 125, stdout: "", stderr: "no such container\n" }),
      },
    },
  });
  const ended = await site.run("ctl", "log", "3", "--json");
  assert.equal(ended.code, 1);
  assert.equal(JSON.parse(ended.out).error.code, "bacula.unreachable");
});
