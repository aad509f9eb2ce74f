import assert from "node:assert/strict";
import { forecast } from "../../../core/bacula/forecast.ts";
import type { PastJob } from "../../../core/bacula/job_history.ts";
import { vmJobName } from "../../../core/bacula/names.ts";
import type { ScheduledJob } from "../../../core/bacula/scheduled_jobs.ts";
import { parseTexts } from "./inventories.ts";

const start = Date.parse("2026-11-28T12:00:00Z");
const minute = 60_000;

async function inventory(concurrency = 1) {
  const image = "localhost/x:1";
  const texts = {
    site: JSON.stringify({
      name: "lab",
      control: { host: "c" },
      time_zone: "UTC",
      cycle: { start: "Saturday 12:00", max_run_hours: 2 },
      concurrency,
      nfs: { export: "n:/x" },
      hypervisors: ["hv1", "hv2"].map((name) => ({ name, address: name })),
      images: { postgres: image, director: image, storage: image, api: image, web: image },
    }),
    list: JSON.stringify({
      vms: ["a", "b", "c"].map((name, index) => ({
        name,
        hypervisor: name === "c" ? "hv2" : "hv1",
        priority: 10 * (index + 1),
      })),
    }),
  };
  return { ...await parseTexts(texts), folder: "/x" };
}

function scheduled(job: string, priority: number, client = "hv1-fd"): ScheduledJob {
  return { job, level: "full", client, priority, at: new Date(start) };
}

const all = [
  scheduled("catalog", 10_010),
  scheduled(vmJobName("c"), 30, "hv2-fd"),
  scheduled(vmJobName("b"), 20),
  scheduled(vmJobName("a"), 10),
];

let nextId = 1;

function past(job: string, minutes: number, changes: Partial<PastJob> = {}): PastJob {
  const beganAt = new Date(start - 1000 * minute);
  const endedAt = new Date(beganAt.getTime() + minutes * minute);
  const [id, queuedAt] = [nextId++, beganAt];
  const good = { level: "full", result: "ok", status: "T", errors: 0 } as const;
  return { id, job, ...good, queuedAt, beganAt, endedAt, ...changes };
}

const history = [
  past(vmJobName("a"), 30),
  past(vmJobName("b"), 40),
  past(vmJobName("c"), 20),
  past("catalog", 5),
];

/** Minutes after the start at which each job begins and ends. */
function shown(cycle: ReturnType<typeof forecast>[number] | undefined) {
  return cycle?.jobs.map(({ vm, job, beginsAt, endsAt }) => [
    vm ?? job,
    ...[beginsAt, endsAt].map((time) => (time.getTime() - start) / minute),
  ]);
}

Deno.test("forecast lets one job after the other run, by priority", async () => {
  const [cycle, ...others] = forecast(all, history, await inventory());
  assert.deepEqual(others, []);
  assert.deepEqual(shown(cycle), [["a", 0, 30], ["b", 30, 70], ["c", 70, 90], ["catalog", 90, 95]]);
  assert.equal(cycle?.vmsEndAt?.getTime(), start + 90 * minute);
  assert.deepEqual([cycle?.suffices, cycle?.withoutHistory], [true, []]);
});

/** As the Director lists them with several at once: VMs have one priority, and are sorted by name. */
const beside = all.map((job) => job.priority < 100 ? { ...job, priority: 10 } : job);

Deno.test("forecast lets hypervisors work side by side, one job each, and service jobs alone", async () => {
  for (const concurrency of [2, 4]) {
    const [cycle] = forecast(beside.toReversed(), history, await inventory(concurrency));
    assert.deepEqual(shown(cycle), [
      ["a", 0, 30],
      ["c", 0, 20],
      ["b", 30, 70],
      ["catalog", 70, 75],
    ]);
  }
});

Deno.test("forecast lets nothing begin beside a job of another priority, as Bacula", async () => {
  const [cycle] = forecast(all, history, await inventory(4));
  assert.deepEqual(shown(cycle)?.map(([, begin]) => begin), [0, 30, 70, 90]);
});

Deno.test("forecast lets test restores of two hypervisors run side by side", async () => {
  const two = ["hv1", "hv2"].map((name) => scheduled(`test-restore-${name}`, 10_000, `${name}-fd`));
  const known = two.map(({ job }) => past(job, 10));
  const begins = async (concurrency: number) =>
    shown(forecast(two, known, await inventory(concurrency))[0])?.map(([, begin]) => begin);
  assert.deepEqual(await begins(2), [0, 0]);
  assert.deepEqual(await begins(1), [0, 10]);
});

Deno.test("forecast says when the time does not suffice", async () => {
  const long = [...history.slice(0, 2), past(vmJobName("c"), 51)];
  const [cycle] = forecast(all, long, await inventory());
  assert.equal(cycle?.suffices, false);
  assert.equal(cycle?.limit.getTime(), start + 120 * minute);
});

Deno.test("forecast takes the median of the last good jobs of the level, and names who has none", async () => {
  const a = vmJobName("a");
  const uneven = [
    ...[500, 30, 10, 20, 200, 25].map((minutes) => past(a, minutes)),
    past(a, 900, { result: "failed" }),
    past(a, 901, { level: "incremental" }),
    past(a, 902, { beganAt: undefined }),
    past(vmJobName("b"), 7, { level: "incremental", result: "warnings" }),
  ];
  const [cycle] = forecast(all, uneven, await inventory());
  assert.deepEqual(shown(cycle)?.slice(0, 2), [["a", 0, 25], ["b", 25, 32]]);
  assert.deepEqual(cycle?.withoutHistory, ["c"]);
});

Deno.test("forecast keeps times apart, and asks nothing of those without VMs", async () => {
  const later = {
    ...scheduled("test-restore-hv1", 10_000),
    at: new Date(start + 72 * 60 * minute),
  };
  const cycles = forecast([later, ...all], history, await inventory());
  assert.deepEqual(cycles.map(({ jobs, suffices }) => [jobs.length, suffices]), [
    [4, true],
    [1, true],
  ]);
  assert.equal(cycles[1]?.vmsEndAt, null);
});
