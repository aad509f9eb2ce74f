import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { places } from "../../core/install/places.ts";
import { services } from "../../core/podman/service.ts";
import {
  allHealthy,
  assertNothingToDeploy,
  assertSecret,
  assertWell,
  bconsole,
  check,
  containerIds,
  defineDomain,
  deploy,
  furnish,
  healthOf,
  jobsOf,
  makeRepository,
  push,
  repository,
  runJobs,
  tryDeploy,
} from "./control_site.ts";
import type { ControlVm } from "./control_vm.ts";
import { waitFor } from "./wait.ts";

/** Does a step of the story, and tells how long it took. */
export type Timed = (what: string, work: () => Promise<unknown>) => Promise<unknown>;

export async function setUp(vm: ControlVm, timed: Timed): Promise<void> {
  await timed("program, NFS, domain", async () => {
    await furnish(vm);
    await defineDomain(vm, "lab1");
  });
  await makeRepository(vm);
  await timed("first deploy", () => deploy(vm));
  await allHealthy(vm);
  await timed("second deploy", () => assertNothingToDeploy(vm));
  await timed("push", () => push(vm, "--yes"));
  await timed("second push", async () => assert.match(await push(vm), /^hv1 +no changes/m));
  assert.equal(
    (await vm.sh("systemctl is-active vmb-recover.timer vmb-check.timer vmb-tell.path")).trim(),
    "active\nactive\nactive",
  );
  await timed("check", () => assertWell(vm));
  await timed("jobs", () => runJobs(vm, "lab1"));
  await timed("search for secrets", () => assertSecret(vm));
}

export async function change(vm: ControlVm, timed: Timed): Promise<void> {
  const ids = await containerIds(vm);
  await vm.sh(
    `echo '  - { name: lab2, hypervisor: hv1, priority: 60 }' >>${repository}/vm-list.yaml`,
  );
  await timed("deploy of one more VM: reload", () => deploy(vm));
  assert.deepEqual(await containerIds(vm), ids, "no container was made anew");
  const jobs = await vm.sh(`printf '.jobs\\nquit\\n' | ${bconsole("monitor.conf")}`);
  assert.match(jobs, /^vm-lab2$/m);

  await vm.sh(`cd ${repository} && vmb ctl secrets rotate DB_PASSWORD API_PASSWORD FD_PASSWORD`);
  await timed("deploy and push of new passwords", async () => {
    await deploy(vm);
    assert.match(await push(vm), /^hv1 +\d+ changes?/m);
  });
  await allHealthy(vm);
  await timed("check", () => assertWell(vm));
}

/** As an update of its package does: the job is lost, the backup is not. */
export async function restartFileDaemon(vm: ControlVm, timed: Timed): Promise<void> {
  await timed("push to a File Daemon older than its configuration, and once more", async () => {
    await vm.sh(`touch ${places.fileDaemonConfig}`);
    assert.match(await push(vm), /^hv1 +1 command$/m);
    assert.match(await push(vm), /^hv1 +no changes$/m);
  });
  await timed("File Daemon restarted under a backup", () => restartUnderBackup(vm));
  await timed("jobs", () => runJobs(vm, "lab1"));
}

async function restartUnderBackup(vm: ControlVm): Promise<void> {
  const backups = async () => JSON.parse(await vm.sh("vmb hv list lab1 --json")).backups.length;
  const runs = async () => JSON.parse(await vm.sh("vmb hv runs --json")).runs.length;
  const scopes = () => vm.sh("systemctl list-units --plain --no-legend 'vmb-job-*.scope'");
  const before = await backups();
  await vm.sh(`vmb ctl run lab1`);
  await waitFor(
    async () => (await scopes()) || undefined,
    { what: "the scope of the run", deadlineMs: 120_000, everyMs: 1000 },
  );
  const collected = await vm.sh("systemctl show --property=CollectMode --value 'vmb-job-*.scope'");
  assert.equal(collected.trim(), "inactive-or-failed");
  await vm.sh("systemctl restart bacula-fd");
  assert.equal(await runs(), 1);
  await waitFor(async () => await runs() === 0 || undefined, {
    what: "the end of the run",
    deadlineMs: 300_000,
    everyMs: 2000,
  });
  assert.equal(await backups(), before + 1);
  assert.equal(await scopes(), "");
  // The Director may wait some more for a client that is gone.
  const result = await waitFor(async () => {
    const last = (await jobsOf(vm)).at(-1);
    return last?.result === "active" ? undefined : last?.result;
  }, { what: "the end of the job", deadlineMs: 400_000, everyMs: 5000 });
  assert.equal(result, "failed");
}

/** Its job fails, which is noted by the Director alone, and found by check. Bacula waits for it for minutes. */
export async function hypervisorDown(vm: ControlVm, timed: Timed): Promise<void> {
  await vm.sh("systemctl stop bacula-fd");
  await timed("job of a hypervisor that is down", async () => {
    const ended = await vm.attempt("vmb ctl run lab1 --wait");
    assert.equal(ended.code, 1, ended.stderr);
    assert.match(ended.stderr, /[Cc]onnect to Client/);
  });
  const last = (await jobsOf(vm)).at(-1);
  assert.equal(last?.result, "failed");
  await vm.sh(`podman exec vmb-director test -f /var/lib/bacula/failed/${last.id}.json`);
  assert.match((await check(vm)).outcome("jobs"), /^failed: "lab1" failed \(job \d+\)/);
  await vm.sh("systemctl start bacula-fd");
  await timed("jobs", () => runJobs(vm, "lab1"));
}

export async function killEach(vm: ControlVm, timed: Timed): Promise<void> {
  for (const name of services) {
    await timed(`${name} killed, and back by itself`, async () => {
      const before = (await healthOf(vm, name)).id;
      await vm.sh(`podman kill --signal KILL ${name}`);
      await waitFor(
        async () => {
          const state = await healthOf(vm, name);
          return state.health === "healthy" && state.id !== before || undefined;
        },
        { what: `a healthy ${name}`, deadlineMs: 300_000, everyMs: 2000 },
      );
    });
  }
}

export async function reboot(vm: ControlVm, timed: Timed): Promise<void> {
  await timed("reboot, and back by itself", async () => {
    await vm.attempt("systemctl reboot", { timeoutMs: 20_000 }).catch(() => {});
    await vm.up();
    await allHealthy(vm);
  });
  await assertNothingToDeploy(vm);
  await assertWell(vm);
  await timed("jobs", () => runJobs(vm, "lab1"));
}

/** What an administrator has elsewhere. */
export interface SavedSite {
  /** The repository and its secrets. */
  readonly tar: Uint8Array;
  /** How many jobs Bacula knew. */
  readonly jobs: number;
}

export async function save(vm: ControlVm): Promise<SavedSite> {
  const jobs = (await jobsOf(vm)).length;
  await vm.sh("sync");
  return { tar: Buffer.from(await vm.sh(`tar -C /root -czf - site | base64`), "base64"), jobs };
}

export async function takeOver(
  vm: ControlVm,
  { tar, jobs }: SavedSite,
  timed: Timed,
): Promise<void> {
  await vm.sh("tar -C /root -xzf -", { stdin: tar });
  await furnish(vm);
  await defineDomain(vm, "lab1");
  const refused = await tryDeploy(vm);
  assert.deepEqual([refused.code, /--redeploy/.test(refused.stderr)], [6, true], refused.stderr);
  await timed("redeploy, with the catalog of before", () => deploy(vm, "--redeploy"));
  await allHealthy(vm);
  // The hypervisor was lost with it; another would need nothing.
  await timed("push", () => push(vm, "--yes"));
  const known = await jobsOf(vm);
  // The dump is of the last job but one: the one that made it had not ended.
  assert.ok(known.length >= jobs - 1, JSON.stringify(known));
  await timed("jobs", () => runJobs(vm, "lab1"));
  await vm.sh("vmb hv verify lab1");
  await assertWell(vm);
}

export async function tearDown(vm: ControlVm, timed: Timed): Promise<void> {
  await timed(
    "teardown with its data",
    () => vm.sh(`vmb ctl teardown ${repository} --purge-data --confirm lab`),
  );
  const left = await vm.sh(
    "podman ps -aq; podman volume ls -q; podman secret ls -q; " +
      "find /etc/containers/systemd -not -type d; find /etc/systemd/system -name 'vmb-check*'",
  );
  assert.equal(left.trim(), "");
}
