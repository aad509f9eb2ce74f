import fc from "fast-check";
import assert from "node:assert/strict";
import { beginJournal } from "../../../core/journal/journal.ts";
import { type JournalEntry, readEntries } from "../../../core/journal/journal_entry.ts";
import { outstandingOf } from "../../../core/journal/outstanding.ts";
import { systemFiles } from "../../../core/sys/files.ts";
import { temporaryFolder } from "../nbd/servers.ts";
import { beginEntry, journalWith, leftJournals } from "./records.ts";

const overlay: JournalEntry = {
  step: "overlay",
  disks: [{ target: "vda", base: "/srv/ü.qcow2", baseFormat: "qcow2", overlay: "/x/vda.overlay" }],
  xmlFile: "/x/before.xml",
};

Deno.test("Journal keeps every step, and tells a later run what is outstanding", async () => {
  await using folder = await temporaryFolder();
  const journal = await journalWith(folder.path, [
    { step: "partial", path: "/share/.a.partial" },
    overlay,
    { step: "freeze" },
  ]);
  assert.equal(journal.run, "vmb-2026-11-21-120000-77");
  assert.equal((await systemFiles.inspect(journal.path))?.mode, 0o600);
  await journal.abandon();

  const [left, ...others] = await leftJournals(systemFiles, `${folder.path}/state`);
  assert.equal(others.length, 0);
  assert.ok(left);
  const found = left.outstanding();
  assert.deepEqual(found.begin, beginEntry(folder.path));
  assert.deepEqual([found.frozen, found.backupJob], [true, false]);
  assert.deepEqual([found.overlay, found.partials], [overlay, ["/share/.a.partial"]]);
  await left.write({ step: "thawed" });
  await left.write({ step: "overlay-gone" });
  await left.write({ step: "partial-gone", path: "/share/.a.partial" });
  const { begin: _, ...rest } = left.outstanding();
  const { begin: __, ...nothing } = outstandingOf([]);
  assert.deepEqual(rest, nothing);
  await left.end();
  assert.deepEqual(await systemFiles.list(`${folder.path}/state/journal`), []);
  assert.deepEqual(await leftJournals(systemFiles, `${folder.path}/state`), []);
});

Deno.test("reopenJournal drops a line that a crash tore, and goes on in a line of its own", async () => {
  for (const torn of ["{", '{"step":"overlay","disks":[', '{"step":"freeze"}']) {
    await using folder = await temporaryFolder();
    const journal = await journalWith(folder.path, [{ step: "backup-job" }]);
    await journal.abandon();
    await Deno.writeTextFile(journal.path, torn, { append: true });

    const [left] = await leftJournals(systemFiles, `${folder.path}/state`);
    assert.ok(left);
    assert.deepEqual([left.outstanding().backupJob, left.outstanding().frozen], [true, false]);
    await left.write({ step: "backup-job-ended" });
    await left.abandon();
    const lines = (await Deno.readTextFile(journal.path)).split("\n");
    assert.deepEqual(
      lines.filter((line) => line).map((line) => JSON.parse(line).step),
      ["begin", "backup-job", "backup-job-ended"],
    );
  }
});

Deno.test("reopenJournal takes a journal without a whole line for a run that did nothing", async () => {
  await using folder = await temporaryFolder();
  await Deno.mkdir(`${folder.path}/journal`);
  await Deno.writeTextFile(`${folder.path}/journal/vmb-1.jsonl`, '{"step":"be');
  await Deno.writeTextFile(`${folder.path}/journal/note.txt`, "not a journal");
  const [left, ...others] = await leftJournals(systemFiles, folder.path);
  assert.deepEqual([left?.run, left?.outstanding().begin, others.length], ["vmb-1", undefined, 0]);
  await left?.end();
  assert.deepEqual(await systemFiles.list(`${folder.path}/journal`), ["note.txt"]);
});

Deno.test("reopenJournal passes over the journal of a run that lives", async () => {
  await using folder = await temporaryFolder();
  const state = `${folder.path}/state`;
  const mine = await journalWith(folder.path, []);
  const theirs = await journalWith(folder.path, [], { run: "vmb-other" });
  await theirs.abandon();
  const holder = new Deno.Command("flock", {
    args: ["--no-fork", `${theirs.path}.lock`, "cat"],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  try {
    // "cat" answers only once the lock is held.
    const writer = holder.stdin.getWriter();
    await writer.write(new TextEncoder().encode("x"));
    await holder.stdout.getReader({ mode: "byob" }).read(new Uint8Array(1));
    assert.deepEqual(await leftJournals(systemFiles, state), []);
    await assert.rejects(beginJournal(systemFiles, state, beginEntry(folder.path)), {
      code: "journal.in-use",
    });
    await writer.close();
  } finally {
    holder.kill("SIGKILL");
    await holder.status;
  }
  await mine.abandon();
  const left = await leftJournals(systemFiles, state);
  assert.deepEqual(left.map(({ run }) => run), ["vmb-2026-11-21-120000-77", "vmb-other"]);
  for (const journal of left) await journal.end();
});

Deno.test("reopenJournal does not mind a run that ends while it looks", async () => {
  await using folder = await temporaryFolder();
  const journal = await journalWith(folder.path, []);
  const files = {
    ...systemFiles,
    async list(path: string) {
      const names = await systemFiles.list(path);
      await journal.end();
      return names;
    },
  };
  assert.deepEqual(await leftJournals(files, `${folder.path}/state`), []);
  assert.deepEqual(await systemFiles.list(`${folder.path}/state/journal`), []);
});

Deno.test("reopenJournal reads what a run wrote until the moment it died", async () => {
  await using folder = await temporaryFolder();
  const journal = await journalWith(folder.path, []);
  const files = {
    ...systemFiles,
    // The run takes one more step and dies, just before its lock is tried.
    async lock(path: string) {
      await journal.write({ step: "freeze" });
      await journal.abandon();
      return await systemFiles.lock(path);
    },
  };
  const [left] = await leftJournals(files, `${folder.path}/state`);
  assert.equal(left?.outstanding().frozen, true);
  await left?.end();
});

Deno.test("readEntries names the line that it does not understand", () => {
  const path = "/state/journal/x.jsonl";
  const table: readonly [string, string][] = [
    ['{"step":"freeze"}\nnoise\n', `Journal ${path}:2 is no JSON`],
    ['{"step":"melt"}\n', `Journal ${path}:1 has the unknown step "melt"`],
    ["null\n", `Journal ${path}:1 has the unknown step undefined`],
    ['{"step":"freeze"}\n\n', `Journal ${path}:2 is no JSON`],
    ["\0\0\0\n", `Journal ${path}:1 is no JSON`],
  ];
  for (const [text, message] of table) {
    assert.throws(() => readEntries(text, path), { code: "journal.unreadable", message }, text);
  }
});

/** Steps of a run in an order that can happen, each begun step with its end. */
const runs = fc.array(
  fc.oneof(
    fc.constant<JournalEntry[]>([{ step: "freeze" }, { step: "thawed" }]),
    fc.constant<JournalEntry[]>([{ step: "backup-job" }, { step: "backup-job-ended" }]),
    fc.constant<JournalEntry[]>([overlay, { step: "overlay-gone" }]),
    fc.constantFrom("/a", "/b").map((path): JournalEntry[] => [
      { step: "partial", path },
      { step: "partial-gone", path },
    ]),
  ),
  { maxLength: 8 },
).map((pairs) => pairs.flat());

Deno.test("outstandingOf of any prefix is what was begun and not ended in it", () => {
  fc.assert(
    fc.property(runs, fc.nat(), (entries, cut) => {
      const prefix = entries.slice(0, cut % (entries.length + 1));
      const last = (...steps: string[]) => prefix.findLast(({ step }) => steps.includes(step));
      const gone = prefix.filter(({ step }) => step === "partial-gone").length;
      const begun = prefix.filter(({ step }) => step === "partial").length;
      const found = outstandingOf(prefix);
      assert.equal(found.frozen, last("freeze", "thawed")?.step === "freeze");
      assert.equal(found.backupJob, last("backup-job", "backup-job-ended")?.step === "backup-job");
      assert.equal(
        found.overlay,
        last("overlay", "overlay-gone")?.step === "overlay" ? overlay : undefined,
      );
      assert.equal(found.partials.length, begun - gone);
      // Reading it from the file, torn or not, says the same.
      const text = prefix.map((entry) => `${JSON.stringify(entry)}\n`).join("");
      assert.deepEqual(outstandingOf(readEntries(`${text}{"step":"fre`, "x")), found);
    }),
  );
});
