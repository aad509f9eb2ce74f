import assert from "node:assert/strict";
import type { JournalEntry } from "../../../core/journal/journal_entry.ts";
import { pullJobXml } from "../../../core/libvirt/backup_job.ts";
import { realSystem } from "../../../core/sys/system.ts";
import { undoRun } from "../../../core/undo/undo_run.ts";
import { beginEntry, journalWith, leftJournals } from "../journal/records.ts";
import { type Answers, scriptedProcesses, scriptedUri } from "../libvirt/scripted_virsh.ts";
import { temporaryFolder } from "../nbd/servers.ts";
import { fakeClock } from "../sys/fake_clock.ts";

const hook = { argv: ["/after", "x"] as const, timeoutSeconds: 5 };

interface Stand {
  readonly state?: string;
  /** What the agent says to each question whether it is frozen; the last one is repeated. */
  readonly statuses?: readonly string[];
  readonly exit?: number;
  readonly ownJobLingers?: boolean;
  readonly answers?: Answers;
}

/** Undoes a run with these entries, and tells what was done in the guest. */
async function undo(entries: readonly JournalEntry[], stand: Stand) {
  const { state = "running", statuses = ["thawed"], exit = 0 } = stand;
  await using folder = await temporaryFolder();
  const { scratchFolder } = beginEntry(folder.path);
  const done: string[] = [];
  const warnings: string[] = [];
  let asked = 0;
  const { processes } = scriptedProcesses({
    domstate: () => state,
    "guest-agent-timeout": () => "",
    domfsthaw: () => {
      done.push("domfsthaw");
      return "";
    },
    "qemu-agent-command": ([, , text = ""]) => {
      const { execute, arguments: given } = JSON.parse(text);
      if (execute === "guest-fsfreeze-status") {
        return JSON.stringify({ return: statuses[Math.min(asked++, statuses.length - 1)] });
      }
      if (execute === "guest-exec") {
        done.push(`exec ${given.path}`);
        return '{"return":{"pid":1}}';
      }
      return JSON.stringify({ return: { exited: true, exitcode: exit } });
    },
    ...stand.ownJobLingers && {
      "backup-dumpxml": () => pullJobXml({ socketPath: `${scratchFolder}/s`, disks: [] }),
      domjobabort: () => "",
    },
    ...stand.answers,
  });
  const journal = await journalWith(folder.path, entries, { uri: scriptedUri });
  const write = journal.write.bind(journal);
  journal.write = (entry) => {
    done.push(entry.step);
    return write(entry);
  };
  const clock = fakeClock();
  const failure = await undoRun(journal, {
    system: { ...realSystem, processes, clock },
    report: (event) => event.kind === "warning" && warnings.push(event.text),
    shareTimeoutMs: 1000,
  }).then(() => undefined, (error) => error);
  const [left] = await leftJournals(realSystem.files, `${folder.path}/state`);
  await left?.abandon();
  return { done, warnings, code: failure?.code, left: left?.outstanding(), clock };
}

Deno.test("undoRun thaws a guest that was left frozen, and notes it when the agent says so", async () => {
  const { done, code, left } = await undo([{ step: "freeze" }], {
    statuses: ["frozen", "frozen", "thawed"],
  });
  assert.deepEqual(done, ["domfsthaw", "domfsthaw", "domfsthaw", "thawed"]);
  assert.deepEqual([code, left], [undefined, undefined]);
});

Deno.test("undoRun keeps the journal of a guest that cannot be shown to be thawed", async () => {
  const { done, code, left, clock } = await undo([{ step: "freeze" }], { statuses: ["frozen"] });
  assert.equal(code, "capture.thaw");
  assert.ok(!done.includes("thawed"));
  assert.equal(left?.frozen, true);
  assert.ok(clock.monotonic() >= 60_000);
});

Deno.test("undoRun has nothing to thaw in a guest that ended, but in one that is paused", async () => {
  for (const state of ["shut off", "crashed"]) {
    assert.deepEqual((await undo([{ step: "freeze" }], { state })).done, ["thawed"], state);
  }
  const paused = await undo([{ step: "freeze" }], { state: "paused" });
  assert.deepEqual(paused.done, ["domfsthaw", "thawed"]);
});

Deno.test("undoRun lets applications go on after the thaw, and only then", async () => {
  const entries = [{ step: "guest-hook", hook }, { step: "freeze" }] as const;
  const undone = await undo(entries, {});
  assert.deepEqual(undone.done, ["domfsthaw", "thawed", "exec /after", "guest-hook-done"]);
  const frozen = await undo(entries, { statuses: ["frozen"] });
  assert.ok(!frozen.done.includes("exec /after"));
  assert.deepEqual(frozen.left?.guestHook, hook);
  const failed = await undo([{ step: "guest-hook", hook }], { exit: 4 });
  assert.deepEqual(failed.done, ["exec /after", "guest-hook-done"]);
  assert.match(failed.warnings.join(), /status 4/);
  const ended = await undo(entries, { state: "shut off" });
  assert.deepEqual(ended.done, ["thawed", "guest-hook-done"]);
});

Deno.test("undoRun leaves a backup job alone that is not the run's", async () => {
  const foreign = pullJobXml({ socketPath: "/other/backup.sock", disks: [] });
  const { done, code } = await undo([{ step: "backup-job" }], {
    answers: {
      "backup-dumpxml": () => foreign,
      domjobabort: () => {
        throw new Error("a foreign job was aborted");
      },
    },
  });
  assert.deepEqual([done, code], [["backup-job-ended"], undefined]);
});

Deno.test("undoRun notes no end of a job that libvirt still has", async () => {
  const { done, code, left } = await undo([{ step: "backup-job" }], { ownJobLingers: true });
  assert.deepEqual([done, code], [[], "capture.job-lingers"]);
  assert.equal(left?.backupJob, true);
});

Deno.test("undoRun touches nothing while a virsh of the run lives", async () => {
  await using folder = await temporaryFolder();
  const { processes, asked } = scriptedProcesses({});
  const journal = await journalWith(folder.path, [{ step: "freeze" }], { uri: scriptedUri });
  const staging = `${folder.path}/state/runs/vmb-2026-11-21-120000-77`;
  await Deno.mkdir(staging, { recursive: true });
  await Deno.writeTextFile(`${staging}/freeze.log`, "");
  const living = new Deno.Command("bash", {
    args: ["-c", 'exec -a virsh tail -f "$0"', `${staging}/freeze.log`],
  }).spawn();
  try {
    // Its name is its own only after the exec.
    while (!(await Deno.readTextFile(`/proc/${living.pid}/cmdline`)).startsWith("virsh\0"));
    const clock = fakeClock();
    // Each look at the processes of the machine takes a while: a few are enough.
    const sleep = (ms: number) => Promise.resolve(clock.advance(ms * 500));
    await assert.rejects(
      undoRun(journal, {
        system: { ...realSystem, processes, clock: { ...clock, sleep } },
        report: () => {},
        shareTimeoutMs: 1000,
      }),
      { code: "recover.busy", hint: /vmb hv recover/ },
    );
    assert.deepEqual(asked, []);
    const [left] = await leftJournals(realSystem.files, `${folder.path}/state`);
    assert.equal(left?.outstanding().frozen, true);
    await left?.abandon();
  } finally {
    living.kill("SIGKILL");
    await living.status;
  }
});
