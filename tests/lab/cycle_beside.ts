import { openBconsole } from "../../core/bacula/bconsole.ts";
import { forecast } from "../../core/bacula/forecast.ts";
import { jobHistory } from "../../core/bacula/job_history.ts";
import { scheduledJobs } from "../../core/bacula/scheduled_jobs.ts";
import { parseTexts } from "../core/bacula/inventories.ts";
import { systemProcesses } from "../../core/sys/process.ts";
import { type CycleVm, openCycle } from "./bacula_cycle.ts";

const vms: readonly CycleVm[] = [
  { name: "a", hypervisor: "hv1", seconds: 90 },
  { name: "b", hypervisor: "hv2", seconds: 60 },
  { name: "c", hypervisor: "hv1", seconds: 75 },
  { name: "d", hypervisor: "hv2", seconds: 45 },
  { name: "e", hypervisor: "hv1", seconds: 60 },
];

/**
 * A cycle of five VMs on two hypervisors: what `vmb ctl schedule` says before, and when the scripts began and
 * ended. The history that it reckons by is that of a run before.
 */
export async function sideBySide(concurrency: number, pace = 1): Promise<string> {
  const paced = vms.map((vm) => ({ ...vm, seconds: vm.seconds * pace }));
  const all = paced.reduce((sum, { seconds }) => sum + seconds + 6, 0);
  await using cycle = await openCycle({
    vms: paced,
    settings: { concurrency },
    leadMs: (all + 20) * 1000,
  });
  const { site } = cycle;
  const queued: number[] = [];
  for (const { name } of paced) queued.push(await site.queue(`vm-${name}`, "level=Full"));
  for (const id of queued) await site.ended(id, 900_000);
  const texts = await Promise.all(
    ["site", "vm-list"].map((name) => Deno.readTextFile(`${site.repository}/${name}.yaml`)),
  );
  const parsed = await parseTexts({ site: texts[0] ?? "", list: texts[1] ?? "" });
  const inventory = { ...parsed, folder: site.repository };
  const argv = [`${site.bin}/bconsole`, "-n", "-c", site.consoleConfig] as const;
  const bconsole = openBconsole({ processes: systemProcesses, argv });
  const history = await jobHistory(bconsole, { days: 1, timeZone: "UTC" });
  const scheduled = await scheduledJobs(bconsole, 1, { site: inventory.site, now: new Date() });
  const [expected] = forecast(scheduled, history, inventory);
  await cycle.forget();
  await cycle.over();
  const rows = await cycle.rows();
  const seconds = (time: Date | null | undefined) =>
    time === null || time === undefined
      ? Number.NaN
      : (time.getTime() - cycle.start.getTime()) / 1000;
  const end = Math.max(...rows.map(({ ended }) => ended ?? Number.NaN));
  const said = seconds(expected?.vmsEndAt);
  return [
    `concurrency ${concurrency}: all VMs by ${end.toFixed(0)} s, forecast ${said.toFixed(0)} s ` +
    `(${(100 * (said / end - 1)).toFixed(1)} %)`,
    ...rows.map(({ vm, began, ended, status }) => {
      const job = expected?.jobs.find((each) => each.vm === vm);
      const [from, to] = [seconds(job?.beginsAt), seconds(job?.endsAt)];
      const hypervisor = paced.find(({ name }) => name === vm)?.hypervisor;
      return `  ${vm} on ${hypervisor}  ${began?.toFixed(0)} - ${ended?.toFixed(0)} s, ` +
        `forecast ${from.toFixed(0)} - ${to.toFixed(0)} s  ${status}`;
    }),
  ].join("\n");
}
