import assert from "node:assert/strict";
import { vmJobName } from "../../core/bacula/names.ts";
import type { CheckResult } from "../../core/checks/check.ts";
import { type BaculaSite, openBaculaSite } from "../lab/bacula_site.ts";
import { createGuest, type Guest } from "../lab/guest.ts";
import { type Lab, openLab } from "../lab/lab.ts";
import { openSshDoor, type SshDoor } from "../lab/ssh_door.ts";
import { waitFor } from "../lab/wait.ts";
import {
  assertEnded,
  assertUndisturbed,
  type Ended,
  hypervisorName,
  openSite,
  type Site,
  vmbArgv,
} from "./site.ts";

/**
 * The whole road on one machine: `vmb ctl` asks a real Director, whose File Daemon starts vmb, which backs up
 * domains of a real libvirt to the share.
 */
let lab: Lab;
let site: Site;
let bacula: BaculaSite;
let door: SshDoor;
let guest: Guest;
/** Shut off, so that they take little time; by priority. */
let quick: readonly Guest[];

Deno.test.beforeAll(async () => {
  lab = await openLab();
  site = await openSite(lab);
  await Deno.mkdir(`${lab.folder}/bin`);
  const vmb = `${lab.folder}/bin/vmb`;
  const env = Object.entries(site.env).map(([name, value]) => `${name}='${value}'`).join(" ");
  const argv = vmbArgv().map((word) => `'${word}'`).join(" ");
  await Deno.writeTextFile(vmb, `#!/bin/sh\nexec env ${env} ${argv} "$@"\n`, { mode: 0o755 });
  guest = await createGuest(site.hypervisor, { name: "web", dataMiB: 24 });
  quick = await Promise.all(
    ["one", "two", "three"].map((name) =>
      createGuest(site.hypervisor, { name, kind: "shut-off", sizeMiB: 16 })
    ),
  );
  const vms = [guest, ...quick].map(({ name }, index) => ({
    name,
    hypervisor: hypervisorName,
    priority: 10 * (index + 1),
    ...(name === guest.name ? { method: "quiesce" } : {}),
  }));
  await site.listVms(vms);
  door = await openSshDoor(vmb);
  bacula = await openBaculaSite({
    release: "15.0.3",
    list: JSON.stringify({ vms }),
    vmb,
    share: site.root,
    sshPort: door.port,
  });
  await guest.start();
  await guest.waitForAgent();
});

Deno.test.afterAll(async () => {
  await bacula?.[Symbol.asyncDispose]();
  await door?.[Symbol.asyncDispose]();
  await lab?.[Symbol.asyncDispose]();
});

/** Runs `vmb ctl` as on the control VM; an option stands for each thing that is elsewhere here. */
function ctl(...args: readonly string[]): Promise<Ended> {
  return site.start(["ctl", ...args], {
    PATH: `${bacula.bin}:${Deno.env.get("PATH")}`,
    VMB_REPOSITORY: bacula.repository,
    VMB_CONSOLE_CONFIG: bacula.consoleConfig,
    VMB_SSH_CONFIG: door.sshConfig,
  }).ended;
}

async function json(...args: readonly string[]) {
  const ended = await ctl(...args, "--json");
  assertEnded(ended, 0);
  return JSON.parse(ended.stdout);
}

async function backupsOf(vm: string) {
  const { stdout } = await site.vmb("hv", "list", vm, "--json");
  return JSON.parse(stdout).backups;
}

/** Queues a slow backup of the guest, and waits until it copies. */
async function runSlowly(): Promise<number> {
  await site.configure({ BANDWIDTH_LIMIT: "1M" });
  const { jobId } = await json("run", guest.name);
  await waitFor(async () => {
    const { log } = await json("log", String(jobId));
    return JSON.stringify(log).includes("== Copying") || undefined;
  }, {
    what: "the copy",
    deadlineMs: 60_000,
    evidence: async () => (await ctl("log", `${jobId}`)).stdout,
  });
  return jobId;
}

/** What `vmb ctl check` says of the locks, as the monitor; podman is not here, so other checks fail. */
async function locks(): Promise<CheckResult> {
  const monitor = `${bacula.places.config}/monitor.conf`;
  const ended = await ctl("check", bacula.repository, "--json", "--console-config", monitor);
  assertEnded(ended, 6);
  const checks: readonly CheckResult[] = JSON.parse(ended.stdout).checks;
  const found = checks.find(({ name }) => name === "locks");
  assert.ok(found, ended.stdout);
  return found;
}

async function liveRuns(): Promise<readonly { readonly jobId: number; readonly pid: number }[]> {
  return JSON.parse((await site.vmb("hv", "runs", "--json")).stdout).runs;
}

Deno.test("vmb ctl run backs up a running VM by Bacula, and tells what its job says", async () => {
  const ended = await ctl("run", guest.name, "--wait", "--json");
  assertEnded(ended, 0);
  const { jobId, job } = JSON.parse(ended.stdout);
  assert.deepEqual([job.result, job.level], ["ok", "full"]);
  assert.match(ended.stderr, /ClientBeforeJob: .*: backed up to /);
  const [backup] = await backupsOf(guest.name);
  const { baculaJobId, consistency, method } = backup.manifest;
  assert.deepEqual([baculaJobId, consistency, method], [jobId, "filesystem", "quiesce"]);
  assertEnded(await site.vmb("hv", "verify", guest.name), 0);
  const log = await ctl("log", String(jobId));
  assert.match(log.stdout, /backup-metadata|Termination: +Backup OK/);
  await assertUndisturbed(site, guest);
});

Deno.test("vmb ctl run hands the level that Bacula decided to vmb", async () => {
  const [first] = quick;
  assert.ok(first);
  const full = await ctl("run", first.name, "--level", "incremental", "--wait");
  assertEnded(full, 0);
  assert.match(full.stderr, /No prior .*Full backup/);
  assert.match(full.stderr, /vmb-job backup \S+ "Full" "\d+"/);
  const incremental = await ctl("run", first.name, "--level", "incremental", "--wait");
  assertEnded(incremental, 0);
  assert.match(incremental.stderr, /Level Incremental was asked for/);
});

Deno.test("three VMs that are queued at once are backed up one after the other, by priority", async () => {
  const [one, two, three] = quick;
  assert.ok(one && two && three);
  // The first of them finds the Director idle; the other two wait, and the better priority was queued last.
  const ids: number[] = [];
  for (const { name } of [one, three, two]) ids.push((await json("run", name)).jobId);
  const again = await ctl("run", three.name);
  assertEnded(again, 11);
  for (const id of ids) assert.equal((await bacula.ended(id)).status, "T");
  const times = await Promise.all([one, two, three].map(async ({ name }) => {
    const { manifest } = (await backupsOf(name)).at(-1);
    assert.ok(ids.includes(manifest.baculaJobId));
    return [Date.parse(manifest.startedAt), Date.parse(manifest.finishedAt)] as const;
  }));
  const flat = times.flat();
  assert.deepEqual(flat, flat.toSorted((a, b) => a - b));
});

Deno.test("a check that fails makes the job fail, with the reason in its log", async () => {
  await site.configure({ MIN_FREE_GB: "900000" });
  const [first] = quick;
  assert.ok(first);
  const ended = await ctl("run", first.name, "--wait", "--json");
  await site.configure({ MIN_FREE_GB: "1" });
  assertEnded(ended, 1);
  const { jobId, job } = JSON.parse(ended.stdout);
  assert.equal(job.result, "failed");
  assert.match((await ctl("log", String(jobId))).stdout, /check \S+: failed: .*(free|space)/i);
});

Deno.test("vmb ctl cancel cancels the job, and stops what it runs on the hypervisor", async () => {
  const before = await backupsOf(guest.name);
  const jobId = await runSlowly();
  assert.deepEqual((await liveRuns()).map((run) => run.jobId), [jobId]);
  const canceled = await json("cancel", guest.name);
  assert.deepEqual(
    [canceled.jobId, canceled.canceled, canceled.stopped],
    [jobId, true, true],
  );
  assert.deepEqual(await liveRuns(), []);
  assert.equal((await bacula.ended(jobId)).status, "A");
  await assertUndisturbed(site, guest);
  assert.deepEqual(await backupsOf(guest.name), before);
});

Deno.test("a job that was canceled elsewhere is found while its run goes on, and can be stopped", async () => {
  const jobId = await runSlowly();
  const well = await locks();
  assert.equal(well.outcome, "ok");
  assert.match(
    well.detail,
    new RegExp(`^held for "${guest.name}" on hv1 since .*, by job ${jobId}$`),
  );
  await bacula.console("admin", `cancel jobid=${jobId} yes`);
  assert.equal((await bacula.ended(jobId)).status, "A");
  const { outcome, detail, hint = "" } = await locks();
  assert.equal(outcome, "warning");
  assert.match(
    detail,
    new RegExp(`locked for "${guest.name}" on hv1 since .* by job ${jobId}, which .* in Bacula$`),
  );
  assert.ok(hint.includes(`vmb ctl cancel ${jobId};`), hint);
  const canceled = await json("cancel", String(jobId));
  assert.deepEqual([canceled.canceled, canceled.stopped], [false, true]);
  assert.equal((await locks()).detail, "no run holds a lock");
  await assertUndisturbed(site, guest);
});

Deno.test("a backup goes on to its end when the File Daemon is killed", async () => {
  await site.configure({ BANDWIDTH_LIMIT: "4M" });
  const before = await backupsOf(guest.name);
  const { jobId } = await json("run", guest.name);
  await waitFor(async () => (await liveRuns()).length === 1 || undefined, {
    what: "the run",
    deadlineMs: 30_000,
  });
  await bacula.fileDaemon.end("SIGKILL");
  bacula.fileDaemon.start();
  await waitFor(async () => (await liveRuns()).length === 0 || undefined, {
    what: "the end of the run",
    deadlineMs: 60_000,
  });
  assert.equal((await bacula.ended(jobId)).status, "f");
  const after = await backupsOf(guest.name);
  assert.equal(after.length, before.length + 1);
  assert.equal(after.at(-1).manifest.baculaJobId, jobId);
  await assertUndisturbed(site, guest);
});

Deno.test("nothing is left when the File Daemon and what it runs are ended together", async () => {
  const before = await backupsOf(guest.name);
  const jobId = await runSlowly();
  const [run] = await liveRuns();
  assert.ok(run);
  // What systemd sends to all processes of a service that it stops.
  Deno.kill(run.pid, "SIGTERM");
  await bacula.fileDaemon.end("SIGTERM");
  bacula.fileDaemon.start();
  assert.equal((await bacula.ended(jobId)).status, "f");
  assert.deepEqual(await backupsOf(guest.name), before);
  await assertUndisturbed(site, guest);
  await site.configure({ BANDWIDTH_LIMIT: "" });
  assertEnded(await ctl("run", guest.name, "--wait"), 0);
});

Deno.test("vmb ctl status and jobs tell what was done", async () => {
  const { active, vms } = await json("status");
  assert.deepEqual(active, []);
  assert.deepEqual(
    vms.map(({ vm, last }: { vm: string; last: { result: string } }) => [vm, last.result]),
    [guest, ...quick].map(({ name }) => [name, name === quick[0]?.name ? "failed" : "ok"]),
  );
  const { jobs } = await json("jobs", "--days", "1");
  assert.ok(jobs.some(({ job }: { job: string }) => job === vmJobName(guest.name)));
});
