import assert from "node:assert/strict";
import { startPhases } from "../../../core/run/phases.ts";
import { openRunLog } from "../../../core/run/log.ts";
import { keepRecord, recordOf } from "../../../core/run/record.ts";
import type { Run } from "../../../core/run/open_run.ts";
import { VmbError } from "../../../core/error.ts";
import { mountOf } from "../../../core/repository/mount.ts";
import { realSystem } from "../../../core/sys/system.ts";
import { temporaryFolder } from "../nbd/servers.ts";
import { addressIn } from "../repository/stored.ts";
import { fakeClock } from "../sys/fake_clock.ts";

Deno.test("recordOf tells how a run ended, good or bad", async () => {
  await using stand = await run();
  const { context, address } = stand;
  context.report({ kind: "warning", text: "odd" });
  const good = recordOf(context, {
    ...{ result: "ok", text: "full", backupId: address.id, bytesRead: 5, bytesWritten: 3 },
  });
  assert.deepEqual(
    [good.result, good.backupId, good.step, good.error, good.bytesRead, good.bytesWritten],
    ["ok", address.id, "done", null, 5, 3],
  );
  assert.deepEqual([good.warnings, good.baculaJobId], [["odd"], 42]);
  const error = new VmbError("It broke", { code: "x.y" });
  const bad = recordOf(context, { error, step: "copy" });
  assert.deepEqual([bad.result, bad.backupId, bad.step, bad.error, bad.bytesRead], [
    "failed",
    null,
    "copy",
    { code: "x.y", message: "It broke", hint: null },
    0,
  ]);
});

Deno.test("keepRecord writes to a mounted share only, and never fails a run", async () => {
  await using stand = await run();
  const { context, root } = stand;
  const summary = recordOf(context, { error: new VmbError("x", { code: "x" }), step: "copy" });
  const write = (changes: Partial<Run> = {}) => keepRecord({ ...context, ...changes }, summary);
  await write({ settings: { ...context.settings, backupFstypes: ["nfs4"] } });
  assert.equal(await realSystem.files.inspect(root), undefined);
  const [warning = ""] = context.log.warnings();
  assert.match(warning, /^Record of the run was not written: Backup root/);
  const error = new VmbError(`Checks failed: ${warning.replace(/^.*?: /, "")}`, { code: "y" });
  await keepRecord(
    { ...context, settings: { ...context.settings, backupFstypes: ["nfs4"] } },
    recordOf(context, { error, step: "checks" }),
  );
  assert.equal(context.log.warnings().length, 1);

  await write();
  const path = `${root}/metadata/last-run-summary.json`;
  assert.deepEqual(JSON.parse(await Deno.readTextFile(path)), JSON.parse(JSON.stringify(summary)));
  assert.equal((await realSystem.files.inspect(path))?.mode, 0o640);

  await write({
    share: { ...realSystem.files, write: () => Promise.reject(new Error("ENOSPC")) },
  });
  assert.match(context.log.warnings()[1] ?? "", /^Record of the run was not written: .*ENOSPC/);
  assert.equal(context.log.warnings().length, 2);
});

async function run() {
  const folder = await temporaryFolder();
  const root = `${folder.path}/share`;
  const mountinfo = await Deno.readTextFile("/proc/self/mountinfo");
  const clock = fakeClock();
  const system = { ...realSystem, clock };
  const log = openRunLog(system, `${folder.path}/log`, () => {});
  const context = {
    system,
    share: realSystem.files,
    settings: {
      hypervisorName: "hv1",
      backupRoot: root,
      backupFstypes: [mountOf(folder.path, mountinfo)?.type],
      backupLocal: true,
      shareTimeoutSeconds: 5,
    },
    kind: "backup",
    vm: "gw-1",
    jobId: 42,
    runId: "vmb-1",
    startedAt: clock.now(),
    phases: startPhases(clock, log.report),
    log,
    report: log.report,
  } as unknown as Run;
  return {
    root,
    context,
    address: addressIn(root),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}
