import assert from "node:assert/strict";
import { VmbError } from "../../../core/error.ts";
import { liveRuns } from "../../../core/journal/live_runs.ts";
import type { RunFacts } from "../../../core/run/record.ts";
import { withRun } from "../../../core/run/with_run.ts";
import { systemFiles } from "../../../core/sys/files.ts";
import { opened, recordsOf } from "./opened.ts";

const good: RunFacts = { result: "ok", text: "full, 3 GiB", backupId: "2026-11-21-120000" };

Deno.test("withRun tells of a run while it lives, and records, logs and tells its end", async () => {
  await using stand = await opened({ jobId: 42 });
  const { run, folder, root, posts } = stand;
  const value = await withRun(run, async () => {
    await run.log.keep();
    const [name = ""] = await systemFiles.list(`${folder}/state/live`);
    const live = JSON.parse(await Deno.readTextFile(`${folder}/state/live/${name}`));
    assert.deepEqual([live.kind, live.vm, live.jobId, live.pid], ["backup", "gw-1", 42, Deno.pid]);
    return { value: 7, facts: good };
  });
  assert.equal(value, 7);
  assert.deepEqual(await liveRuns(systemFiles, `${folder}/state`), []);
  const [record, ...others] = await recordsOf(root);
  assert.deepEqual(others, []);
  assert.deepEqual(
    [record?.["kind"], record?.["result"], record?.["backupId"], record?.["baculaJobId"]],
    ["backup", "ok", "2026-11-21-120000", 42],
  );
  const last = JSON.parse(await Deno.readTextFile(`${root}/metadata/last-run-summary.json`));
  assert.equal(last.runId, run.runId);
  const log = await Deno.readTextFile(`${folder}/logs/gw-1/${run.time}.log`);
  assert.match(log, /ok: full, 3 GiB\n$/);
  assert.match(posts[0] ?? "", /Backup of gw-1 on hv1: full, 3 GiB/);
});

Deno.test("withRun records, logs and tells the error of a run, and throws it", async () => {
  await using stand = await opened();
  const { run, folder, root, posts } = stand;
  const error = new VmbError("It broke", { code: "x.y", exit: 6, hint: "Mend it" });
  await assert.rejects(
    withRun(run, async () => {
      await run.log.keep();
      run.phases.begin("copy", "Copying");
      throw error;
    }),
    error,
  );
  const [record] = await recordsOf(root);
  assert.deepEqual(
    [record?.["result"], record?.["step"], record?.["error"]],
    ["failed", "copy", { code: "x.y", message: "It broke", hint: "Mend it" }],
  );
  const log = await Deno.readTextFile(`${folder}/logs/gw-1/${run.time}.log`);
  assert.match(log, /error: It broke \(hint: Mend it\)\n$/);
  assert.match(posts[0] ?? "", /Backup of gw-1 on hv1 failed at copy: It broke/);
  assert.deepEqual(await systemFiles.list(`${folder}/state/live`), []);
});

Deno.test("withRun tells a proof that fails like a failed backup, and lets it return", async () => {
  await using stand = await opened({ kind: "test-restore" });
  const { run, root, posts } = stand;
  const error = new VmbError("Test restore failed: boot", { code: "proof.fail", exit: 6 });
  const facts: RunFacts = { result: "failed", text: "fail, boot", backupId: "b", error };
  assert.equal(await withRun(run, () => Promise.resolve({ value: 1, facts })), 1);
  const [record] = await recordsOf(root);
  assert.deepEqual([record?.["kind"], record?.["result"]], ["test-restore", "failed"]);
  assert.match(posts[0] ?? "", /Test restore of gw-1 on hv1 failed at verdict/);
  // The summary is about backups.
  assert.equal(await systemFiles.inspect(`${root}/metadata/last-run-summary.json`), undefined);
});

Deno.test("withRun leaves the record to the run that holds the lock", async () => {
  await using stand = await opened();
  const error = new VmbError("locked", { code: "repository.locked", exit: 11 });
  await assert.rejects(withRun(stand.run, () => Promise.reject(error)), error);
  assert.deepEqual(await recordsOf(stand.root), []);
});
