import assert from "node:assert/strict";
import { openBconsole } from "../../core/bacula/bconsole.ts";
import { jobHistory } from "../../core/bacula/job_history.ts";
import { siteStatus } from "../../core/bacula/site_status.ts";
import { waitForJob } from "../../core/bacula/run_job.ts";
import { systemClock } from "../../core/sys/clock.ts";
import { systemProcesses } from "../../core/sys/process.ts";
import { parseTexts } from "../core/bacula/inventories.ts";
import { type Cycle, openCycle } from "../lab/bacula_cycle.ts";
import { cycleFaults } from "../lab/cycle_faults.ts";

/**
 * What `deno task lab:cycle` tries at length, in a minute or two: two hypervisors at once, and an archive that
 * takes nothing more. Jobs wait one minute here for a volume, not ten.
 */
let cycle: Cycle;
let jobs: readonly number[];
const mails = () => Deno.readTextFile(`${cycle.site.folder}/mails`);

Deno.test.beforeAll(async () => {
  cycle = await openCycle({
    vms: [
      { name: "a", hypervisor: "hv1", seconds: 3 },
      { name: "b", hypervisor: "hv2", seconds: 3 },
      { name: "c", hypervisor: "hv1", seconds: 3 },
    ],
    settings: {
      concurrency: 2,
      mail: { relay: "localhost", from: "bacula@lab.example", recipients: ["ops@lab.example"] },
      // Never while this runs.
      cycle: { start: "Saturday 12:00" },
    },
    edit: (_, text) =>
      text.replaceAll("Max Wait Time = 10 minutes", "Max Wait Time = 30 seconds")
        .replaceAll("/usr/sbin/bsmtp", "vmb-test-mail"),
  });
  const { site } = cycle;
  const mail = `#!/bin/sh\necho "mail $*" >>'${site.folder}/mails'\n`;
  await Deno.writeTextFile(`${site.bin}/vmb-test-mail`, mail, { mode: 0o755 });
  await Deno.writeTextFile(`${site.folder}/mails`, "");
  await cycleFaults["full"]?.before?.(cycle);
  const queued: number[] = [];
  for (const vm of ["a", "b", "c"]) queued.push(await site.queue(`vm-${vm}`, "level=Full"));
  jobs = queued;
});

Deno.test.afterAll(async () => {
  await systemProcesses.run(["umount", "--lazy", "--quiet", cycle.archive]);
  await cycle?.[Symbol.asyncDispose]();
});

function consoleOf({ site }: Cycle) {
  const argv = [`${site.bin}/bconsole`, "-n", "-c", site.consoleConfig] as const;
  return openBconsole({ processes: systemProcesses, argv });
}

Deno.test("jobs of two hypervisors run side by side, those of one after the other", async () => {
  await cycle.began("a");
  await cycle.began("b");
  const early = await cycle.rows();
  assert.deepEqual(early.map(({ began }) => began !== undefined), [true, true, false]);
  const [a, b] = early;
  assert.ok(Math.abs((a?.began ?? 0) - (b?.began ?? 60)) < 10, JSON.stringify(early));
});

Deno.test("a job that Bacula cannot store lets the next one run, and its VM counts as backed up", async () => {
  const bconsole = consoleOf(cycle);
  const [id = 0] = jobs;
  const signal = AbortSignal.timeout(240_000);
  const job = await waitForJob(bconsole, id, { clock: systemClock, report() {}, signal });
  assert.deepEqual([job.status, job.result], ["A", "unrecorded"]);
  // The third waited for the first one's hypervisor.
  await cycle.began("c");
  const { site } = cycle;
  const [siteText, list] = await Promise.all(
    ["site", "vm-list"].map((name) => Deno.readTextFile(`${site.repository}/${name}.yaml`)),
  );
  const parsed = await parseTexts({ site: siteText ?? "", list: list ?? "" });
  const inventory = { ...parsed, folder: site.repository };
  const { vms } = await siteStatus(bconsole, inventory, systemClock);
  const [a, , c] = vms;
  assert.deepEqual([a?.last?.result, a?.lastGood?.id], ["unrecorded", id]);
  assert.deepEqual([c?.last, c?.lastGood], [null, null]);
});

Deno.test("a job of a VM that runs already does not begin, and is no failure of the VM", async () => {
  assert.match(await cycle.site.console("admin", "run job=vm-c level=Full yes"), /Job 0 failed/);
  const history = await jobHistory(consoleOf(cycle), { days: 1, timeZone: "UTC" });
  const results = history.filter(({ job }) => job === "vm-c").map(({ result }) => result);
  assert.deepEqual(results, ["active", "superseded"]);
});

Deno.test("one mail tells of a job, and none of a console's questions", async () => {
  await cycle.site.ended(jobs[0] ?? 0);
  const told = (await mails()).trim().split("\n").filter(Boolean);
  // The thread of the Director that ends a job after Max Wait Time takes the job's messages for its own.
  const of = / of (?:vm-[abc]|\*CancelThread\*) on hv/;
  assert.deepEqual(told.filter((line) => !of.test(line)), []);
  assert.equal(told.filter((line) => / of vm-a on hv1-fd/.test(line)).length, 1, told.join("\n"));
});
