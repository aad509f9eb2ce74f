import assert from "node:assert/strict";
import { VmbError } from "../../../core/error.ts";
import { journalPaths } from "../../../core/journal/journal.ts";
import { withJournal } from "../../../core/run/with_journal.ts";
import { systemFiles } from "../../../core/sys/files.ts";
import { type Processes, systemProcesses } from "../../../core/sys/process.ts";
import { opened } from "./opened.ts";

const domain = { name: "gw-1", uuid: "5d9ce9cb-d5f4-4e04-a8c2-97ac8a8f8c5c" };

/** A libvirt that knows no domain. */
const withoutDomain: Processes = {
  ...systemProcesses,
  run: (argv) =>
    Promise.resolve({ argv, code: 1, stdout: "", stderr: "error: failed to get domain 'x'" }),
};

Deno.test("withJournal undoes what is still held, on the good road and on the bad one", async () => {
  for (const bad of [false, true]) {
    await using stand = await opened({}, { processes: withoutDomain });
    const { run, root, folder } = stand;
    const path = `${root}/hv1/gw-1/.2026-11-21-120000.partial`;
    await Deno.mkdir(path, { recursive: true });
    const running = withJournal(run, domain, async (journal) => {
      await journal.write({ step: "partial", path });
      assert.equal((await systemFiles.inspect(run.scratchFolder))?.kind, "directory");
      if (bad) throw new VmbError("It broke", { code: "x.y" });
      return 7;
    });
    if (bad) await assert.rejects(running, { code: "x.y", message: "It broke" });
    else assert.equal(await running, 7);
    for (const gone of [path, run.scratchFolder, run.stagingFolder]) {
      assert.equal(await systemFiles.inspect(gone), undefined, gone);
    }
    assert.deepEqual(await journalPaths(systemFiles, `${folder}/state`), []);
  }
});

Deno.test("withJournal tells both errors when undoing fails too, and leaves the journal", async () => {
  for (const bad of [false, true]) {
    await using stand = await opened();
    const { run, folder } = stand;
    const running = withJournal(run, domain, async (journal) => {
      // Nobody answers as libvirt: whether the job runs is not known.
      await journal.write({ step: "backup-job" });
      if (bad) throw new VmbError("It broke", { code: "x.y", exit: 6 });
      return 7;
    });
    await assert.rejects(
      running,
      bad
        ? { code: "x.y", exit: 6, message: /^It broke; and then: No libvirt answers/ }
        : { code: "libvirt.connect" },
    );
    assert.equal((await journalPaths(systemFiles, `${folder}/state`)).length, 1);
  }
});

Deno.test("withJournal keeps what is to be kept", async () => {
  await using stand = await opened();
  const { run, folder } = stand;
  await withJournal(run, domain, async (journal) => {
    await journal.write({ step: "backup-job" });
    await journal.write({ step: "kept" });
  });
  assert.equal((await journalPaths(systemFiles, `${folder}/state`)).length, 1);
  assert.equal((await systemFiles.inspect(run.stagingFolder))?.kind, "directory");
});
