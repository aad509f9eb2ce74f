import assert from "node:assert/strict";
import { describePlan, showPlan } from "../../../core/deploy/describe_plan.ts";
import type { VmbError } from "../../../core/error.ts";
import { passwordKeys } from "../../../core/secrets/secret_key.ts";
import {
  assertDeployed,
  deployTo,
  edit,
  passwordOf,
  repository,
  writeRepository,
} from "./deploy_site.ts";
import { type FakeMachine, Killed, openFakeMachine, secretNames } from "./fake_machine.ts";

Deno.test("deploy brings an empty machine to five services, and a second time changes nothing", async () => {
  await using fake = await openFakeMachine();
  await writeRepository(fake);
  const first = await deployTo(fake);
  assert.equal(first.kind, "deployed");
  assert.ok(first.smoke.every(({ outcome }) => outcome === "ok"), JSON.stringify(first.smoke));
  await assertDeployed(fake);
  assert.deepEqual([...fake.secrets.keys()].sort(), [...secretNames].sort());

  fake.calls.length = 0;
  const steps = fake.steps;
  assert.equal((await deployTo(fake)).kind, "nothing");
  const changing = fake.calls.filter((argv) =>
    /^systemctl (?!show|is-system)|^podman (pull|secret create|run|exec)/.test(argv.join(" "))
  );
  assert.deepEqual(changing, []);
  // The probe of the share is written and taken away.
  assert.equal(fake.steps - steps, 2);
});

Deno.test("deploy --dry-run changes nothing, and shows no secret", async () => {
  await using fake = await openFakeMachine();
  await writeRepository(fake);
  const { kind, plan } = await deployTo(fake, { dryRun: true });
  assert.equal(kind, "planned");
  assert.deepEqual([fake.images.size, fake.secrets.size, fake.started.size], [0, 0, 0]);
  assert.equal(await Deno.stat(fake.at("/etc")).catch(() => undefined), undefined);
  const shown = showPlan(plan) + JSON.stringify(describePlan(plan));
  for (const key of passwordKeys) assert.ok(!shown.includes(passwordOf(key)), key);
  assert.match(shown, /^ {2}start vmb-director: it is inactive$/m);
});

Deno.test("deploy reloads the Director for a new VM, and restarts nothing", async () => {
  await using fake = await openFakeMachine();
  await writeRepository(fake);
  await deployTo(fake);
  // A reload does not disturb a job.
  fake.jobs = [{ id: 1, name: "vm-asav1", status: "R" }];
  await edit(fake, "vm-list.yaml", "name: scratch", "name: scratch2");
  const { plan } = await deployTo(fake);
  assert.deepEqual(plan.services.map(({ service, action }) => [service, action]), [
    ["vmb-director", "reload"],
  ]);
  assert.deepEqual(plan.files.map(({ path }) => path), ["/etc/vm-backup/bacula/bacula-dir.conf"]);
  assert.ok(plan.files[0]?.diff.includes("scratch2"));
  await assertDeployed(fake);
});

Deno.test("deploy restarts the Director where a reload would not do, and only when no job runs", async () => {
  await using fake = await openFakeMachine();
  await writeRepository(fake);
  await deployTo(fake);
  await edit(fake, "site.yaml", "time_zone:", "concurrency: 2\ntime_zone:");
  fake.jobs = [{ id: 1, name: "vm-asav1", status: "R" }];
  const before = await Deno.readTextFile(fake.at("/etc/vm-backup/bacula/bacula-dir.conf"));
  await assert.rejects(deployTo(fake), (error: VmbError) => {
    assert.deepEqual([error.code, error.exit], ["deploy.busy", 11]);
    assert.match(error.message, /^Cannot restart vmb-director while jobs run: vm-asav1 \(job 1\)$/);
    return true;
  });
  assert.equal(
    await Deno.readTextFile(fake.at("/etc/vm-backup/bacula/bacula-dir.conf")),
    before,
  );
  // The Director ends a canceled job when its script has ended.
  fake.jobs = [{ id: 1, name: "vm-asav1", status: "A" }];
  await assert.rejects(deployTo(fake), { code: "deploy.busy" });
  fake.jobs = [];
  const { plan } = await deployTo(fake);
  assert.deepEqual(plan.services.map(({ service, action }) => [service, action]), [
    ["vmb-director", "restart"],
    ["vmb-storage", "restart"],
  ]);
  await assertDeployed(fake);
});

Deno.test("deploy tells the catalog a new password, and restarts who uses it", async () => {
  await using fake = await openFakeMachine();
  await writeRepository(fake);
  await deployTo(fake);
  await edit(fake, "secrets.conf", passwordOf("DB_PASSWORD"), passwordOf("DB_PASSWORD", 2));
  const { plan } = await deployTo(fake);
  assert.deepEqual(plan.services.map(({ service }) => service), ["vmb-director", "vmb-api"]);
  assert.equal(fake.database.password, passwordOf("DB_PASSWORD", 2));
  await assertDeployed(fake);
});

Deno.test("deploy undoes what was changed on the machine, and says that it was", async () => {
  await using fake = await openFakeMachine();
  await writeRepository(fake);
  await deployTo(fake);
  const path = "/etc/vm-backup/web/settings.conf";
  await Deno.writeTextFile(fake.at(path), "[baculum]\n");
  const { plan } = await deployTo(fake);
  assert.deepEqual(plan.files.map(({ path, drifted }) => [path, drifted]), [[path, true]]);
  assert.deepEqual(plan.services.map(({ service, action }) => [service, action]), [
    ["vmb-web", "restart"],
  ]);
  await assertDeployed(fake);
});

Deno.test("deploy removes what it installed and is rendered no more, and nothing else", async () => {
  await using fake = await openFakeMachine();
  await writeRepository(fake);
  const state = "/var/lib/vm-backup/control/deployed.json";
  await deployTo(fake);
  // As if an earlier vmb had installed this one.
  const old = "/etc/vm-backup/bacula/old.conf";
  await Deno.writeTextFile(fake.at(old), "# Rendered by vmb\n");
  await Deno.writeTextFile(fake.at("/etc/vm-backup/bacula/mine.conf"), "mine\n");
  const record = JSON.parse(await Deno.readTextFile(fake.at(state)));
  record.record.files[old] = "0";
  await Deno.writeTextFile(fake.at(state), JSON.stringify(record));
  const { plan } = await deployTo(fake);
  assert.deepEqual(plan.files.map(({ path, kind }) => [path, kind]), [[old, "remove"]]);
  assert.deepEqual(plan.services, []);
  assert.equal(await Deno.stat(fake.at(old)).catch(() => undefined), undefined);
  assert.equal(await Deno.readTextFile(fake.at("/etc/vm-backup/bacula/mine.conf")), "mine\n");
  assert.equal((await deployTo(fake)).kind, "nothing");
});

Deno.test("deploy refuses to write over a file that is not vmb's", async () => {
  await using fake = await openFakeMachine();
  await writeRepository(fake);
  const path = "/etc/containers/systemd/vmb-web.container";
  await Deno.mkdir(fake.at("/etc/containers/systemd"), { recursive: true });
  await Deno.writeTextFile(fake.at(path), "[Container]\nImage=mine\n");
  await assert.rejects(deployTo(fake), { code: "deploy.foreign", exit: 6 });
  assert.equal(await Deno.readTextFile(fake.at(path)), "[Container]\nImage=mine\n");
  assert.equal(fake.started.size, 0);
});

Deno.test("deploy changes nothing when a program of the image refuses a configuration", async () => {
  await using fake = await openFakeMachine();
  await writeRepository(fake);
  await deployTo(fake);
  await edit(fake, "vm-list.yaml", "name: scratch", "name: scratch2");
  const steps = fake.calls.length;
  fake.answers.set(/bdirjson/, { code: 1, stderr: "Config error: line 3" });
  await assert.rejects(deployTo(fake), (error: VmbError) => {
    assert.deepEqual([error.code, error.exit], ["deploy.config-test", 4]);
    assert.match(error.message, /Config error: line 3/);
    return true;
  });
  const conf = await Deno.readTextFile(fake.at("/etc/vm-backup/bacula/bacula-dir.conf"));
  assert.ok(!conf.includes("scratch2"));
  assert.ok(
    !fake.calls.slice(steps).some(([program, verb]) =>
      program === "systemctl" && verb === "reload"
    ),
  );
  assert.equal(await Deno.stat(fake.at("/var/lib/vm-backup/control/test")).catch(() => 0), 0);
  fake.answers.clear();
  await deployTo(fake);
  await assertDeployed(fake);
});

Deno.test("deploy --redeploy brings the catalog back; without it, none is made over a dump", async () => {
  await using fake = await openFakeMachine();
  await writeRepository(fake);
  const folder = fake.at("/mnt/backup/metadata/bacula/catalog");
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(`${folder}/bacula.dump`, "dump");
  await assert.rejects(deployTo(fake), { code: "catalog.dump-exists", exit: 6 });
  assert.equal(fake.database.version, undefined);
  assert.equal((await deployTo(fake, { redeploy: true })).kind, "deployed");
  assert.equal(fake.database.restored, true);
  await assertDeployed(fake);
  assert.equal((await deployTo(fake)).kind, "nothing");
});

Deno.test("deploy ends before anything when the machine is not fit, and names each fault", async () => {
  await using fake = await openFakeMachine();
  await writeRepository(fake);
  const cases: readonly (readonly [RegExp, object, RegExp])[] = [
    [/^podman version/, { stdout: "4.9.4\n" }, /podman: podman 4\.9\.4: expected 5 or later/],
    [/^systemctl is-system/, { stdout: "offline\n" }, /systemd: systemd is offline/],
    [
      /^podman info/,
      {
        stdout: JSON.stringify({
          host: { networkBackend: "cni", ociRuntime: { name: "runc" }, cgroupVersion: "v1" },
          store: { graphRoot: "/" },
        }),
      },
      /network-backend: network backend cni: expected netavark; also runtime, cgroups/,
    ],
  ];
  for (const [pattern, answer, message] of cases) {
    fake.answers.clear();
    fake.answers.set(pattern, answer);
    await assert.rejects(deployTo(fake), (error: VmbError) => {
      assert.equal(error.exit, 6);
      assert.match(error.message, message);
      assert.ok(error.hint);
      return true;
    });
  }
  fake.answers.clear();
  await Deno.writeTextFile(fake.at("/proc/self/mountinfo"), "1 0 8:1 / / rw - ext4 /dev/vda rw\n");
  await assert.rejects(deployTo(fake), /share: "\/mnt\/backup" is no NFS mount/);
  assert.equal(fake.started.size, 0);
});

Deno.test("deploy refuses a port that another program listens on", async () => {
  await using fake = await openFakeMachine();
  await writeRepository(fake);
  const row = "   0: 00000000:238F 00000000:0000 0A 00000000:00000000 00:00000000 0 0 0 1";
  await Deno.writeTextFile(fake.at("/proc/net/tcp"), `  sl  local_address\n${row}\n`);
  await assert.rejects(deployTo(fake), /ports: another program listens on 9103/);
  // When it is our own, it is as it should be.
  await Deno.remove(fake.at("/proc/net/tcp"));
  await deployTo(fake);
  await Deno.writeTextFile(fake.at("/proc/net/tcp"), `  sl  local_address\n${row}\n`);
  assert.equal((await deployTo(fake)).kind, "nothing");
});

Deno.test("deploy refuses a PostgreSQL that the Director's pg_dump cannot dump", async () => {
  await using fake = await openFakeMachine();
  await writeRepository(fake);
  await edit(fake, "site.yaml", "postgres:17.6", "postgres:18.1");
  await assert.rejects(
    deployTo(fake),
    /images: PostgreSQL 18: the Director's image has pg_dump 17/,
  );
});

Deno.test("deploy that failed its smoke test is not done: the next one tries it again", async () => {
  await using fake = await openFakeMachine();
  await writeRepository(fake);
  fake.answers.set(/^openssl s_client/, { stdout: "", stderr: "Connection refused", code: 1 });
  await assert.rejects(deployTo(fake), /What was deployed failed: web-https/);
  fake.answers.clear();
  const again = await deployTo(fake);
  assert.equal(again.kind, "deployed");
  assert.deepEqual(again.plan.services, []);
  assert.equal((await deployTo(fake)).kind, "nothing");
});

Deno.test("deploy that was killed at any step of the first time is completed by the next", () =>
  everyKill(async (fake) => await writeRepository(fake)));

Deno.test("deploy that was killed at any step of a change is completed by the next", () =>
  everyKill(async (fake) => {
    await writeRepository(fake);
    await deployTo(fake);
    await edit(fake, "secrets.conf", passwordOf("DB_PASSWORD"), passwordOf("DB_PASSWORD", 2));
    await edit(fake, "secrets.conf", passwordOf("API_PASSWORD"), passwordOf("API_PASSWORD", 2));
    await edit(fake, "vm-list.yaml", "name: scratch", "name: scratch2");
    await edit(fake, "site.yaml", "web:6.4.0", "web:6.4.1");
    await Deno.writeTextFile(fake.at("/etc/vm-backup/api/basic.conf"), "drift\n");
  }));

/** Kills a deploy at each step in turn; after each, another deploy must bring the machine to its state. */
async function everyKill(
  prepare: (fake: FakeMachine) => Promise<void>,
): Promise<void> {
  for (let step = 1;; step++) {
    await using fake = await openFakeMachine();
    await prepare(fake);
    fake.steps = 0;
    fake.killAt = step;
    const killed = await deployTo(fake).then(() => false, (error) => {
      if (!(error instanceof Killed) && !String(error).includes(`step ${step}`)) throw error;
      return true;
    });
    fake.killAt = undefined;
    if (!killed) {
      assert.ok(step > 20, `only ${step} steps`);
      return;
    }
    await deployTo(fake);
    await assertDeployed(fake);
    assert.equal((await deployTo(fake)).kind, "nothing", `after a kill at step ${step}`);
    const left = await Array.fromAsync(Deno.readDir(fake.at("/var/lib/vm-backup/control")));
    assert.deepEqual(left.map(({ name }) => name).sort(), ["deployed.json", "failed", "lock"]);
    assert.ok(await Deno.stat(fake.at(repository)));
  }
}

Deno.test("deploy links /etc/vm-backup/repository to the repository, wherever it moved", async () => {
  await using fake = await openFakeMachine();
  await writeRepository(fake);
  const link = fake.at("/etc/vm-backup/repository");
  const { plan } = await deployTo(fake, { dryRun: true });
  assert.match(showPlan(plan), /^ {2}link \/etc\/vm-backup\/repository -> \/root\/site$/m);
  await deployTo(fake);
  assert.equal(await Deno.readLink(link), repository);

  await Deno.remove(link);
  const again = await deployTo(fake);
  assert.deepEqual(again.plan.links, [
    { path: "/etc/vm-backup/repository", target: repository, from: undefined },
  ]);
  assert.deepEqual([again.plan.files, again.plan.services], [[], []]);
  assert.equal((await deployTo(fake)).kind, "nothing");

  // The repository was moved; whether its unit too is another matter.
  const record = fake.at("/var/lib/vm-backup/control/deployed.json");
  const moved = (await Deno.readTextFile(record)).replace(`"${repository}"`, '"/srv/old"');
  await Deno.writeTextFile(record, moved);
  await Deno.remove(link);
  await Deno.symlink("/srv/old", link);
  assert.match(showPlan((await deployTo(fake)).plan), / -> \/root\/site \(was \/srv\/old\)\n/);
  assert.equal(await Deno.readLink(link), repository);
});

Deno.test("deploy names what is in the way of the link to the repository, and leaves it", async () => {
  await using fake = await openFakeMachine();
  await writeRepository(fake);
  const link = fake.at("/etc/vm-backup/repository");
  await Deno.mkdir(link, { recursive: true });
  const foreign = (what: string) => (error: VmbError) => {
    assert.deepEqual([error.code, error.exit], ["deploy.foreign", 6]);
    assert.equal(
      error.message,
      'Cannot link "/etc/vm-backup/repository" to the repository: ' +
        `${what} that is not vmb's is there`,
    );
    return true;
  };
  await assert.rejects(deployTo(fake), foreign("a directory"));
  await Deno.remove(link);
  await Deno.symlink("/srv/theirs", link);
  await assert.rejects(deployTo(fake), foreign('a link to "/srv/theirs"'));
  assert.deepEqual([await Deno.readLink(link), fake.started.size], ["/srv/theirs", 0]);
});
