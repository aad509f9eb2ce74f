import assert from "node:assert/strict";
import { openBconsole } from "../../../core/bacula/bconsole.ts";
import { findJob, getJob, jobLog } from "../../../core/bacula/job.ts";
import { showEntry } from "../../../core/bacula/job_log.ts";
import { activeJobs, jobNames } from "../../../core/bacula/jobs_now.ts";
import { jobHistory, parseHistory } from "../../../core/bacula/job_history.ts";
import { scheduledJobs } from "../../../core/bacula/scheduled_jobs.ts";
import { jobNote } from "../../../core/bacula/job_note.ts";
import { jobResult, parseLocalTime } from "../../../core/bacula/job_state.ts";
import { recordedConsole, releases } from "./recorded_console.ts";

const cycle = { weekday: "sat", hour: 12, minute: 0, maxRunHours: 24 } as const;
const site = { cycle, timeZone: "UTC" } as const;

for (const release of releases) {
  const bconsole = openBconsole({ processes: recordedConsole(release), argv: ["bconsole"] });

  Deno.test(`jobNames lists the jobs of ${release}`, async () => {
    const names = await jobNames(bconsole);
    assert.deepEqual(names.slice(0, 2), ["vm-web", "vm-wiki:20:22old:22:20:24x:20100:25:20:c3:bc"]);
    assert.equal(names.length, 8);
  });

  Deno.test(`activeJobs lists what the Director of ${release} has at hand`, async () => {
    const [job, ...others] = await activeJobs(bconsole);
    assert.deepEqual(others, []);
    assert.deepEqual([job?.id, job?.job, job?.level, job?.priority], [2, "vm-slow", "full", 40]);
    assert.deepEqual([job?.running, job?.result], [false, "active"]);
    assert.match(job?.state ?? "", /^is waiting/);
    assert.match(job?.queuedAt.toISOString() ?? "", /^2026-11-22T04:52:\d\d\.000Z$/);
  });

  Deno.test(`findJob reads how jobs of ${release} are`, async () => {
    const jobs = await Promise.all([1, 2, 3].map((id) => findJob(bconsole, id)));
    assert.deepEqual(jobs.map((job) => [job?.job, job?.result, job?.level]), [
      ["vm-web", "ok", "full"],
      ["vm-slow", "active", "full"],
      ["vm-broken", "failed", "full"],
    ]);
    assert.equal(await findJob(bconsole, 999), undefined);
    await assert.rejects(getJob(bconsole, 999), { code: "bacula.no-job", exit: 10 });
  });

  Deno.test(`jobLog reads the messages of a job of ${release}, those of several lines too`, async () => {
    const log = await jobLog(bconsole, 3);
    const texts = log.map(showEntry);
    assert.match(texts[0] ?? "", /^2026-11-22 04:52:\d\d {2}vmb-dir: Start Backup JobId 3, Job=/);
    assert.ok(
      texts.some((text) => text.endsWith("hv1-fd: ClientBeforeJob: check failed: no space")),
    );
    const report = texts.find((text) => text.includes("Build OS:")) ?? "";
    assert.match(report, /\n {2}Termination: +\*{3} Backup Error \*{3}$/);
    assert.match(texts.at(-1) ?? "", /run AfterJob "\/bin\/sh .*job-failed\.sh .*"Fatal Error""$/);
  });

  Deno.test(`jobHistory tells when jobs of ${release} really began and ended`, async () => {
    const history = await jobHistory(bconsole, { days: 7, timeZone: "Europe/Berlin" });
    const told = history.map(({ id, job, result, beganAt, endedAt }) => {
      assert.ok(beganAt && endedAt);
      return [id, job, result, Math.round((endedAt.getTime() - beganAt.getTime()) / 1000)];
    });
    assert.deepEqual(told.map((row) => row.slice(0, 3)), [
      [1, "vm-web", "ok"],
      [2, "vm-slow", "warnings"],
      [3, "vm-broken", "failed"],
    ]);
    assert.equal(told[1]?.[3], 25);
    // The Director's clock was read as that of Berlin, one hour before UTC.
    assert.match(history[0]?.queuedAt?.toISOString() ?? "", /^2026-11-22T03:52/);
  });

  Deno.test(`scheduledJobs reads the schedules of ${release}`, async () => {
    const now = new Date("2026-11-22T05:00:00Z");
    const jobs = await scheduledJobs(bconsole, 10, { site, now });
    assert.deepEqual(
      jobs.map(({ job, level, priority, client }) => [job, level, priority, client]),
      [
        ["vm-web", "incremental", 10, "hv1-fd"],
        ["vm-broken", "incremental", 30, "hv1-fd"],
        ["catalog", "full", 10010, "hv1-fd"],
        ["summary", undefined, 10020, ""],
        ["test-restore-hv1", "full", 10000, "hv1-fd"],
      ],
    );
    assert.equal(jobs[0]?.at.toISOString(), "2026-11-28T12:00:00.000Z");
  });
}

Deno.test("jobResult knows the letters of ended jobs, and takes every other for a job that goes on", () => {
  const table = [["T", 0, "ok"], ["T", 2, "warnings"], ["W", 0, "warnings"], ["f", 1, "failed"]];
  for (const [status, errors, result] of [...table, ["E", 0, "failed"], ["A", 0, "canceled"]]) {
    assert.equal(jobResult(String(status), Number(errors)), result);
  }
  for (const status of "CRBFSmMsjcdtpiaLlq") assert.equal(jobResult(status, 0), "active", status);
});

Deno.test("jobResult knows what messages say of a job that did not end well, and of no other", () => {
  const script =
    `hv1-fd JobId 7: ClientBeforeJob: a "b": backed up to /mnt/backup/hv1/a/2026-11-28`;
  const nonzero = "Error: Runscript: ClientBeforeJob returned non-zero status=6. ERR=...";
  const duplicate = "Fatal error: JobId 4 already running. Duplicate job not allowed.";
  const table = [
    [[script], "made", "unrecorded"],
    [[script, nonzero], "", "canceled"],
    [["ClientBeforeJob: nothing", "backed up to /x"], "", "canceled"],
    [[duplicate], "duplicate", "superseded"],
    [[], "", "canceled"],
  ] as const;
  for (const [messages, note, result] of table) {
    assert.equal(jobNote(messages), note);
    assert.equal(jobResult("A", 1, note), result);
    for (const status of "TWRC") assert.equal(jobResult(status, 0, note), jobResult(status, 0));
  }
  assert.equal(jobResult("f", 1, "made"), "unrecorded");
});

Deno.test("parseHistory reads the note, and refuses one that nobody writes", () => {
  const row = (note: string) =>
    `7|vm-a|F|A|1|2026-11-28 12:00:00|2026-11-28 12:00:05|2026-11-28 12:20:00|${note}\n`;
  assert.equal(parseHistory(row("made"), "UTC")[0]?.result, "unrecorded");
  assert.equal(parseHistory(row(""), "UTC")[0]?.result, "canceled");
  assert.throws(() => parseHistory(row("x"), "UTC"), { code: "bacula.answer" });
});

Deno.test("parseLocalTime follows the zone's daylight saving", () => {
  const berlin = (text: string) => parseLocalTime(text, "Europe/Berlin")?.toISOString();
  assert.equal(berlin("2026-10-24 12:00:00"), "2026-10-24T10:00:00.000Z");
  assert.equal(berlin("2026-10-25 12:00:00"), "2026-10-25T11:00:00.000Z");
  assert.equal(berlin(""), undefined);
  assert.equal(berlin("0000-00-00"), undefined);
});
