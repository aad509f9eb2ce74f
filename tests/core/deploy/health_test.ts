import assert from "node:assert/strict";
import { type CheckResult, runChecks } from "../../../core/checks/check.ts";
import { loadInventory } from "../../../core/config/inventory.ts";
import { applyMends, planMends, showMend } from "../../../core/deploy/fix.ts";
import { healthChecks, type HealthContext } from "../../../core/deploy/health.ts";
import { compareVersions } from "../../../core/deploy/health_file_daemon.ts";
import { judgeRuns, type LastRun } from "../../../core/deploy/health_jobs.ts";
import { controlPlaces } from "../../../core/deploy/places.ts";
import { listeningPorts } from "../../../core/deploy/ports.ts";
import { services } from "../../../core/podman/service.ts";
import { systemNetwork } from "../../../core/sys/network.ts";
import { exampleTexts, parseTexts } from "../bacula/inventories.ts";
import {
  consoleOf,
  deployTo,
  edit,
  repository,
  sourcesOf,
  writeRepository,
} from "./deploy_site.ts";
import { type FakeMachine, openFakeMachine } from "./fake_machine.ts";

Deno.test("healthChecks finds nothing wrong with what was just deployed but that no job ran yet", async () => {
  await using fake = await deployed();
  const results = await check(fake);
  const bad = results.filter(({ outcome }) => outcome === "failed" || outcome === "warning");
  assert.deepEqual(bad.map(({ name }) => name), ["jobs"]);
  assert.match(bad[0]?.detail ?? "", /^"prod-db-01" has never run; "asav1" has never run; /);
});

Deno.test("healthChecks finds each fault, and fix knows what to do about what it can mend", async () => {
  const cases: readonly {
    readonly fault: (fake: FakeMachine) => unknown;
    readonly failed: readonly string[];
    readonly mends: readonly string[];
  }[] = [
    {
      fault: (fake) => fake.started.delete("vmb-web"),
      failed: ["vmb-web", "api"],
      mends: ["Restart vmb-web"],
    },
    {
      // A daemon that hangs: its container runs on.
      fault: (fake) => fake.answers.set(/bconsole/, { stdout: "Connecting\n" }),
      failed: ["director", "storage", "fd-hv1", "fd-hv2"],
      mends: ["Restart vmb-director"],
    },
    {
      fault: (fake) => fake.answers.set(/psql/, { code: 2, stderr: "refused" }),
      failed: ["catalog", "jobs"],
      mends: ["Restart vmb-postgres"],
    },
    {
      fault: (fake) =>
        Deno.writeTextFile(fake.at("/proc/self/mountinfo"), "1 0 8:1 / / rw - ext4 /dev/vda rw\n"),
      failed: ["share"],
      mends: ["Mount the share", "Restart vmb-director", "Restart vmb-storage"],
    },
    {
      fault: (fake) =>
        fake.answers.set(/exec --interactive vmb-storage dd/, { code: 1, stderr: "EIO" }),
      failed: ["storage-writable"],
      mends: ["Restart vmb-storage"],
    },
    {
      fault: (fake) =>
        fake.answers.set(/^podman container inspect/, {
          stdout: JSON.stringify([{
            State: { Status: "running", Health: { Status: "healthy" } },
            OCIRuntime: "/usr/bin/runc",
          }]),
        }),
      failed: ["runtime"],
      mends: [
        "Run podman system migrate --new-runtime=crun",
        ...services.map((name) => `Restart ${name}`),
      ],
    },
    {
      fault: (fake) =>
        fake.answers.set(/^openssl s_client/, {
          code: 1,
          stderr: "verify error:num=10:certificate has expired\n",
        }),
      failed: ["web-https", "web-login"],
      mends: ["Restart vmb-web"],
    },
    {
      fault: (fake) => Deno.remove(fake.at(`${repository}/tls/cert.pem`)),
      failed: ["web-https", "certificate", "drift"],
      mends: ["Restart vmb-web"],
    },
    {
      fault: (fake) => edit(fake, "../../etc/vm-backup/bacula/bacula-dir.conf", "vm-asav1", "x"),
      failed: ["drift"],
      mends: [],
    },
  ];
  for (const { fault, failed, mends } of cases) {
    await using fake = await deployed();
    await fault(fake);
    const results = await check(fake);
    const names = results.filter(({ outcome }) => outcome === "failed").map(({ name }) => name);
    assert.deepEqual(names, failed);
    assert.deepEqual(planMends(results).map(showMend), mends);
  }
});

Deno.test("applyMends restarts what is down, and says what it could not do", async () => {
  await using fake = await deployed();
  fake.started.delete("vmb-web");
  fake.started.delete("vmb-storage");
  const health = await contextOf(fake);
  const results = await check(fake);
  fake.answers.set(/^systemctl restart vmb-web/, { code: 1, stderr: "Job failed" });
  const outcomes = await applyMends(health, planMends(results), { report: () => {} });
  assert.deepEqual(
    outcomes.map(({ mend, done, detail }) => [showMend(mend), done, detail]),
    [
      ["Restart vmb-storage", true, "healthy again"],
      ["Restart vmb-web", false, 'Cannot restart "vmb-web.service": Job failed'],
    ],
  );
  assert.ok(fake.started.has("vmb-storage"));
});

Deno.test("applyMends restarts no daemon whose jobs run", async () => {
  await using fake = await deployed();
  fake.answers.set(/exec --interactive vmb-storage dd/, { code: 1, stderr: "EIO" });
  const mends = planMends(await check(fake));
  fake.jobs = [{ id: 1, name: "vm-asav1", status: "R" }];
  fake.calls.length = 0;
  const [outcome] = await applyMends(await contextOf(fake), mends, { report: () => {} });
  assert.equal(outcome?.done, false);
  assert.match(outcome?.detail ?? "", /while jobs run: vm-asav1/);
  assert.ok(!fake.calls.some((argv) => argv.join(" ").startsWith("systemctl restart")));
});

Deno.test("fix releases the locks of a stray, and only when it is dead", async () => {
  await using fake = await deployed();
  const folder = fake.at("/mnt/backup/metadata/locks");
  await Deno.mkdir(folder, { recursive: true });
  const since = "2026-11-21T12:00:00.000Z";
  const holder = { hypervisor: "hv2", pid: 1, vm: "asav1", run: "r", since, jobId: 7 };
  await Deno.writeTextFile(`${folder}/site.lock`, JSON.stringify(holder));
  await Deno.writeTextFile(`${folder}/vm-1.lock`, "");
  const locksOf = async () => (await check(fake)).find(({ name }) => name === "locks");

  fake.jobs = [{ id: 7, name: "vm-asav1", status: "R" }];
  assert.equal((await locksOf())?.outcome, "ok");
  fake.jobs = [{ id: 7, name: "vm-asav1", status: "A" }];
  const told = await locksOf();
  assert.equal(told?.outcome, "warning");
  assert.match(
    told?.detail ?? "",
    /locked for "asav1" on hv2 since 2026.* by job 7, which is canceled/,
  );

  const mends = planMends(await check(fake));
  assert.deepEqual(mends.map(showMend), ["Release locks of dead runs"]);
  const held = await Deno.open(`${folder}/site.lock`, { read: true, write: true });
  await held.lock(true);
  const context = await contextOf(fake);
  const [alive] = await applyMends(context, mends, { report: () => {} });
  assert.match(alive?.detail ?? "", /^none: their runs live/);
  held.close();
  const [dead] = await applyMends(context, mends, { report: () => {} });
  assert.match(dead?.detail ?? "", /the run of "asav1" on hv2 .* is dead$/);
  assert.equal((await locksOf())?.outcome, "ok");
});

Deno.test("judgeRuns tells failed, canceled, overdue and missing runs, and what to look at", async () => {
  const { vms } = await parseTexts(exampleTexts);
  const day = 86_400;
  const run = (job: string, changes: Partial<LastRun> = {}): LastRun => ({
    ...{ job, id: 7, status: "T", errors: 0, age: day, note: "" },
    ...changes,
  });
  const names = ["vm-prod-db-01", "vm-asav1", "vm-archive"];
  const wiki = vms.find(({ name }) => name.startsWith("wiki"));
  assert.ok(wiki);
  const others = vms.filter((vm) => vm !== wiki);
  const good = [...names, "catalog"].map((name) => run(name));
  assert.equal(judgeRuns(good, others).outcome, "ok");

  const replaced = (change: LastRun) => [change, ...good.filter(({ job }) => job !== change.job)];
  const cases: readonly (readonly [LastRun, string, RegExp])[] = [
    [run("vm-asav1", { status: "f" }), "failed", /^"asav1" failed \(job 7\)$/],
    [run("vm-asav1", { status: "A" }), "failed", /^"asav1" was canceled \(job 7\)$/],
    [
      run("vm-asav1", { status: "A", note: "made" }),
      "failed",
      /^"asav1" is backed up, but Bacula did not record it \(job 7\)$/,
    ],
    [run("vm-asav1", { age: 11 * day }), "failed", /^"asav1" ran 11 days ago$/],
    [run("vm-archive", { age: 37 * day }), "ok", /last run good/],
    [run("vm-asav1", { errors: 1 }), "warning", /^"asav1" ended with warnings \(job 7\)$/],
    [run("catalog", { status: "f" }), "failed", /^the dump of the catalog failed \(job 7\)$/],
  ];
  for (const [change, outcome, detail] of cases) {
    const verdict = judgeRuns(replaced(change), others);
    assert.equal(verdict.outcome, outcome, verdict.detail);
    assert.match(verdict.detail, detail);
  }
  assert.match(judgeRuns(good, vms).detail, /^"wiki .*" has never run$/);

  const proof = run("test-restore-hv1", { status: "f", id: 8 });
  const failed = judgeRuns([...good, proof], others);
  assert.equal(failed.detail, 'the job "test-restore-hv1" failed (job 8)');
  assert.equal(judgeRuns([...good, { ...proof, age: 60 * day }], others).outcome, "ok");
  // The hook's note of a job that the catalog saw the end of, and of one that it did not.
  const note = { job: "vm-asav1", status: "Fatal Error" };
  assert.equal(judgeRuns(good, others, [{ ...note, jobId: 6 }]).outcome, "ok");
  assert.equal(
    judgeRuns(good, others, [{ ...note, jobId: 9 }]).detail,
    'the job "vm-asav1" ended with: Fatal Error (job 9)',
  );
});

Deno.test("compareVersions compares numbers, not text", () => {
  assert.ok(compareVersions("9.6.7", "15.0.3") < 0);
  assert.ok(compareVersions("15.0.10", "15.0.3") > 0);
  assert.equal(compareVersions("15.0.3", "15.0.3"), 0);
});

Deno.test("listeningPorts finds the port that this process listens on, and not one that is connected", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const client = await Deno.connect({ hostname: "127.0.0.1", port });
  const own = (client.localAddr as Deno.NetAddr).port;
  const listening = listeningPorts(await Deno.readTextFile("/proc/net/tcp"));
  assert.deepEqual([listening.has(port), listening.has(own)], [true, false]);
  client.close();
  listener.close();
});

async function deployed(): Promise<FakeMachine> {
  const fake = await openFakeMachine();
  await writeRepository(fake);
  await deployTo(fake);
  return fake;
}

async function contextOf(fake: FakeMachine): Promise<HealthContext> {
  const sources = await sourcesOf(fake, { anyCertificate: true });
  const { vms } = await loadInventory(fake.machine.files, repository);
  const network = { ...systemNetwork, probeTcp: () => Promise.resolve() };
  return {
    system: { ...fake.machine, network },
    bconsole: consoleOf(fake),
    places: controlPlaces(sources.site, fake.machine.host),
    sources,
    vms,
  };
}

async function check(fake: FakeMachine): Promise<readonly CheckResult[]> {
  return await runChecks(healthChecks(await contextOf(fake)), () => {});
}
