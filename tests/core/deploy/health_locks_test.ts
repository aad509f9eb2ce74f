import assert from "node:assert/strict";
import { type Bconsole, openBconsole } from "../../../core/bacula/bconsole.ts";
import { vmJobName } from "../../../core/bacula/names.ts";
import { heldLocks, releaseDeadLocks } from "../../../core/deploy/health_locks.ts";
import { lockForBackup, lockForRestore } from "../../../core/repository/lock.ts";
import type { LockHolder } from "../../../core/repository/lock_holder.ts";
import { systemFiles } from "../../../core/sys/files.ts";
import { recordedConsole } from "../bacula/recorded_console.ts";
import { temporaryFolder } from "../nbd/servers.ts";

const machine = { files: systemFiles };
const uuid = "11111111-2222-4333-8444-555555555555";
const since = "2026-11-21T12:00:00.000Z";

Deno.test("heldLocks takes a run for well whose job runs, or that a person began", async () => {
  await using share = await openShare();
  assert.equal((await share.look([])).detail, "no run holds a lock");
  const cases: readonly (readonly [LockHolder, string])[] = [
    [holder({ jobId: 7 }), "by job 7"],
    [holder({ jobId: null }), "by a backup by hand"],
    [holder({ jobId: undefined }), "whose job runs"],
  ];
  for (const [who, words] of cases) {
    const lock = await lockForBackup(machine, share.root, uuid, who, { report: () => {} });
    assert.deepEqual(await share.look([[7, "web", "R"]]), {
      outcome: "ok",
      detail: `held for "web" on hv1 since ${since}, ${words}`,
    });
    await lock.release();
  }
  const restore = await lockForRestore(machine, share.root, uuid, holder({ jobId: null }));
  assert.match((await share.look([])).detail, /^held for "web" .*, by a restore by hand$/);
  await restore.release();
});

Deno.test("heldLocks finds runs whose job has ended, is canceled, or is another's, and tells the way out", async () => {
  await using share = await openShare();
  const cases:
    readonly (readonly [LockHolder["jobId"], Parameters<typeof share.look>[0], string])[] = [
      [7, [], "by job 7, which runs no more in Bacula"],
      [7, [[7, "web", "A"]], "by job 7, which is canceled in Bacula"],
      [7, [[8, "web", "R"]], "by job 7, which runs no more in Bacula"],
      // A catalog that was made anew counts from 1 again.
      [7, [[7, "other", "R"]], "by job 7, which runs no more in Bacula"],
      [undefined, [[7, "other", "R"]], ", and no job of it runs in Bacula"],
    ];
  for (const [jobId, jobs, words] of cases) {
    const lock = await lockForBackup(machine, share.root, uuid, holder({ jobId }), {
      report: () => {},
    });
    const { outcome, detail, hint } = await share.look(jobs);
    assert.equal(outcome, "warning");
    assert.ok(detail.startsWith(`the share is locked for "web" on hv1 since ${since}`), detail);
    assert.ok(detail.endsWith(words), detail);
    assert.match(hint ?? "", jobId === undefined ? /vmb ctl cancel web;/ : /vmb ctl cancel 7;/);
    await lock.release();
  }
});

Deno.test("heldLocks takes no run for a stray that ended while it asked", async () => {
  await using share = await openShare();
  const lock = await lockForBackup(machine, share.root, uuid, holder({ jobId: 7 }), {
    report: () => {},
  });
  const verdict = await share.look([], () => lock.release());
  assert.deepEqual([verdict.outcome, verdict.detail], ["ok", "no run holds a lock"]);
});

Deno.test("releaseDeadLocks takes names off locks that nobody holds, and only off those", async () => {
  await using share = await openShare();
  const lock = await lockForBackup(machine, share.root, uuid, holder({ jobId: 7 }), {
    report: () => {},
  });
  const folder = `${share.root}/metadata/locks`;
  await Deno.writeTextFile(
    `${folder}/vm-2.lock`,
    JSON.stringify(holder({ vm: "dead", run: "r2" })),
  );
  assert.deepEqual(await releaseDeadLocks(machine, share.site), [
    `${folder}/vm-2.lock: the run of "dead" on hv1 since ${since} is dead`,
  ]);
  assert.equal(await Deno.readTextFile(`${folder}/vm-2.lock`), "");
  assert.match((await share.look([[7, "web", "R"]])).detail, /^held for "web"/);
  await lock.release();
});

function holder(changes: Partial<LockHolder>): LockHolder {
  return { hypervisor: "hv1", pid: 7, vm: "web", run: "vmb-1-7", since, jobId: 7, ...changes };
}

/** A share, and a Director with jobs at hand. */
async function openShare() {
  const folder = await temporaryFolder();
  const root = folder.path;
  const site = { nfs: { export: "nas:/backup", mount: root, options: [] } };
  return {
    root,
    site,
    /** @param meanwhile is done while the Director is asked */
    look(
      jobs: readonly (readonly [id: number, vm: string, status: "R" | "A"])[],
      meanwhile: () => Promise<void> = () => Promise.resolve(),
    ) {
      const blocks = jobs.map(([id, vm, status]) =>
        `jobid=${id}\nname=${vmJobName(vm)}\nstatus=${status}\nschedtime_epoch=1\npriority=1\n`
      );
      const console = openBconsole({
        processes: recordedConsole("15.0.3", { ".status dir running": blocks.join("\n\n") }),
        argv: ["bconsole"],
      });
      const bconsole: Bconsole = {
        async say(...commands) {
          await meanwhile();
          return await console.say(...commands);
        },
      };
      return heldLocks(machine, bconsole, site);
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}
