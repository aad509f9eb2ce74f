import assert from "node:assert/strict";
import type { Event } from "../../../core/event.ts";
import { assertRecovered, recover } from "../../../core/recovery/recover.ts";
import { undoRun } from "../../../core/undo/undo_run.ts";
import { realSystem } from "../../../core/sys/system.ts";
import { temporaryFolder } from "../nbd/servers.ts";
import { fakeClock } from "../sys/fake_clock.ts";
import { beginEntry, journalWith, leftJournals } from "../journal/records.ts";

const silentUri = "qemu+unix:///system?socket=/nonexistent/socket";

Deno.test("undoRun takes away folders and partial backups, and the journal last", async () => {
  await using folder = await temporaryFolder();
  const partial = `${folder.path}/share/hv1/test/.2026-11-21-120000.partial`;
  const { scratchFolder, stagingFolder } = beginEntry(folder.path);
  for (const each of [partial, scratchFolder, stagingFolder]) {
    await Deno.mkdir(each, { recursive: true });
    await Deno.writeTextFile(`${each}/file`, "x");
  }
  const journal = await journalWith(folder.path, [
    { step: "partial", path: partial },
    { step: "partial", path: `${folder.path}/share/gone` },
  ]);
  const events: Event[] = [];
  await undoRun(journal, options((event) => events.push(event)));
  for (const each of [partial, scratchFolder, stagingFolder, journal.path]) {
    assert.equal(await realSystem.files.inspect(each), undefined, each);
  }
  // What lies around it stays.
  assert.equal(
    (await realSystem.files.inspect(`${folder.path}/share/hv1/test`))?.kind,
    "directory",
  );
  assert.deepEqual(await realSystem.files.list(`${folder.path}/state/journal`), []);
  assert.equal(events.length, 1);
});

Deno.test("undoRun with nothing outstanding leaves the domain alone", async () => {
  await using folder = await temporaryFolder();
  const journal = await journalWith(folder.path, [], { uri: silentUri });
  await undoRun(journal, options());
  assert.deepEqual(await leftJournals(realSystem.files, `${folder.path}/state`), []);
});

Deno.test("undoRun takes a libvirt that does not answer for no answer", async () => {
  for (
    const entry of [
      { step: "freeze" },
      { step: "backup-job" },
      {
        step: "overlay",
        disks: [{ target: "vda", base: "/b", baseFormat: "raw", overlay: "/o" }],
        xmlFile: "/x",
      },
    ] as const
  ) {
    await using folder = await temporaryFolder();
    const { scratchFolder } = beginEntry(folder.path);
    await Deno.mkdir(scratchFolder, { recursive: true });
    const journal = await journalWith(folder.path, [entry], { uri: silentUri });
    await assert.rejects(undoRun(journal, options()), { code: "libvirt.connect", exit: 5 });
    // All is there still for the next try.
    const [left] = await leftJournals(realSystem.files, `${folder.path}/state`);
    assert.ok(left);
    assert.deepEqual(left.entries.at(-1), entry);
    assert.ok(await realSystem.files.inspect(scratchFolder));
    await left.end();
  }
});

Deno.test("undoRun of a domain that libvirt no longer knows has nothing to thaw or end", async () => {
  await using folder = await temporaryFolder();
  const journal = await journalWith(folder.path, [{ step: "freeze" }, { step: "backup-job" }], {
    uuid: "00000000-1111-4222-8333-444444444444",
  });
  await undoRun(journal, options());
  assert.deepEqual(await realSystem.files.list(`${folder.path}/state/journal`), []);
});

Deno.test("undoRun gives up on a share that hangs, and keeps the journal", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/share/.x.partial`;
  const journal = await journalWith(folder.path, [{ step: "partial", path }]);
  const hung = Promise.withResolvers<void>();
  const files = {
    ...realSystem.files,
    remove: (each: string) =>
      each.includes("/share/") ? hung.promise : realSystem.files.remove(each),
  };
  await assert.rejects(
    undoRun(journal, { ...options(), system: { ...realSystem, files }, shareTimeoutMs: 30 }),
    {
      code: "share.outcome-unknown",
      message: /^Removal of ".*\.removed-x\.partial" gave no answer within/,
    },
  );
  const [left] = await leftJournals(realSystem.files, `${folder.path}/state`);
  assert.deepEqual(left?.outstanding().partials, [path]);
  await left?.end();
});

Deno.test("recover puts right what it can, and names what it cannot", async () => {
  await using folder = await temporaryFolder();
  const state = `${folder.path}/state`;
  await (await journalWith(folder.path, [], { run: "vmb-1", vm: "one" })).abandon();
  await (await journalWith(folder.path, [{ step: "backup-job" }], {
    run: "vmb-2",
    vm: "two",
    uri: silentUri,
  })).abandon();
  await (await journalWith(folder.path, [], { run: "vmb-3", vm: "three" })).abandon();
  await Deno.writeTextFile(`${state}/journal/vmb-3.jsonl`, '{"step":"of-tomorrow"}\n', {
    append: true,
  });
  await (await journalWith(folder.path, [], { run: "vmb-4", vm: "four" })).abandon();

  const events: Event[] = [];
  const recoveries = await recover(state, options((event) => events.push(event)));
  assert.deepEqual(
    recoveries.map(({ run, problem }) => [run, problem === undefined]),
    [["vmb-1", true], ["vmb-2", false], ["vmb-3", false], ["vmb-4", true]],
  );
  assert.match(recoveries[1]?.problem ?? "", /No libvirt answers/);
  assert.match(recoveries[2]?.problem ?? "", /vmb-3\.jsonl:2 has the unknown step "of-tomorrow"/);
  assert.equal(events.filter(({ kind }) => kind === "error").length, 2);
  assert.throws(() => assertRecovered(recoveries), {
    code: "recover.failed",
    message: /"two": No lib/,
  });
  assert.deepEqual(await realSystem.files.list(`${state}/journal`), [
    "vmb-2.jsonl",
    "vmb-2.jsonl.lock",
    "vmb-3.jsonl",
    "vmb-3.jsonl.lock",
  ]);
  assertRecovered([{ run: "x", vm: "x", problem: undefined }]);
});

function options(report: (event: Event) => void = () => {}) {
  const system = { ...realSystem, clock: fakeClock() };
  return { system, report, shareTimeoutMs: 10_000 };
}
