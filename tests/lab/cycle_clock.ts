import { scheduleTimes } from "../../core/bacula/schedule_times.ts";
import { longestGapDays, siteSchedules } from "../../core/bacula/schedules.ts";
import { directorTime, openClock } from "./bacula_clock.ts";
import { type BaculaSite, openBaculaSite } from "./bacula_site.ts";
import { waitFor } from "./wait.ts";

const timeZone = "Europe/Berlin";
const words = ["weekly", "biweekly", "monthly"] as const;

/** Sixty weeks of each word of a schedule, by the real scheduler: what began when, and the gaps. */
export async function sixtyWeeks(): Promise<string> {
  const first = Temporal.ZonedDateTime.from(`2026-11-28T12:00[${timeZone}]`);
  await using moved = await openMoved("Saturday 12:00");
  // After a year the Director forgets its jobs.
  const seen = new Set<string>();
  for (let week = 0; week < 60; week++) {
    const at = first.add({ weeks: week });
    await moved.to(at.subtract({ minutes: 2 }));
    await moved.summaryOf(at.toPlainDate().toString());
    for (const [job, time] of await moved.began()) seen.add(`${job} ${time}`);
  }
  const began = [...seen].map((line) => line.split(/ (.*)/));
  const cycle = { weekday: "sat", hour: 12, minute: 0, maxRunHours: 24 } as const;
  return words.map((word) => {
    const times = began.filter(([job]) => job === `vm-${word}`).map(([, time = ""]) => time);
    const dates = times.map((time) => time.slice(0, 10));
    const gaps = dates.slice(1).map((date, index) =>
      Temporal.PlainDate.from(dates[index] ?? date).until(date, { largestUnit: "days" }).days
    );
    const expected = scheduleTimes(siteSchedules({ cycle }).get(`vmb-${word}`) ?? [], {
      timeZone,
      from: new Date(first.epochMilliseconds - 1000),
      until: new Date(first.add({ weeks: 59 }).epochMilliseconds + 1000),
    }).map(({ at }) => localText(at));
    // The Director notes when it took the job up; its clock goes fast here.
    const same = expected.length === times.length && expected.every((time, index) => {
      const late = Temporal.PlainDateTime.from(time).until(times[index] ?? time).total("seconds");
      return late >= 0 && late < 180;
    });
    const turn = dates.filter((date) => date > "2026-12-10" && date < "2027-02-01");
    return `  ${word.padEnd(9)} ${times.length} backups, longest gap ${Math.max(...gaps)} days ` +
      `(promised ${longestGapDays[word]}), ${same ? "all as forecast" : "NOT AS FORECAST"}; ` +
      `around the turn: ${turn.join(" ")}`;
  }).join("\n");
}

/** The cycle at a time that a change of the clock skips, repeats, or leaves alone: when jobs began. */
export async function clockChanges(start: string): Promise<string> {
  await using moved = await openMoved(start);
  const rows: string[] = [];
  for (
    const [name, from, until] of [
      ["end of summer", "2026-10-25T00:20Z", "2026-10-25T01:40Z"],
      ["end of summer, noon", "2026-10-25T10:55Z", "2026-10-25T11:05Z"],
      ["begin of summer", "2027-03-28T00:20Z", "2027-03-28T01:40Z"],
      ["begin of summer, noon", "2027-03-28T09:55Z", "2027-03-28T10:05Z"],
    ] as const
  ) {
    await moved.to(Temporal.Instant.from(from).toZonedDateTimeISO(timeZone));
    const end = Temporal.Instant.from(until).epochMilliseconds;
    await waitFor(
      async () => (await directorTime(moved.site, timeZone)).getTime() > end || undefined,
      { what: until, deadlineMs: 900_000, everyMs: 1000 },
    );
    const said = (await moved.began()).filter(([job]) => job === "vm-weekly").slice(rows.length);
    rows.push(...said.map(([, time]) => `${name}: ${time}`));
  }
  return `  cycle.start ${start}: ${rows.join(", ") || "nothing began"}`;
}

async function openMoved(start: string) {
  await using undo = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir({ prefix: "vmb-clock-" });
  undo.defer(() => Deno.remove(folder, { recursive: true }));
  await Deno.chmod(folder, 0o755);
  const clock = await openClock(`${folder}/clock`, timeZone, 30);
  const list = JSON.stringify({
    vms: words.map((name, index) => ({
      name,
      hypervisor: "hv1",
      priority: index + 1,
      schedule: name,
    })),
  });
  const site: BaculaSite = undo.use(
    await openBaculaSite({
      release: "15.0.3",
      list,
      vmb: "/bin/true",
      settings: { time_zone: timeZone, cycle: { start } },
      env: clock.env,
    }),
  );
  const cleanup = undo.move();

  /** Jobs and the times that they were scheduled for, on the Director's clock. */
  async function began(): Promise<readonly (readonly [job: string, time: string])[]> {
    const query =
      "SELECT concat_ws('|', Name, SchedTime::text, JobStatus) || chr(10) FROM Job ORDER BY JobId";
    const said = await site.console("admin", `.sql query="${query}"`);
    return [...said.matchAll(/^\s*([\w-]+)\|([-\d]+ [:\d]+)\|\w/gm)].map((
      [, job = "", time = ""],
    ) => [job, time]);
  }

  return {
    site,
    began,
    to: (time: Temporal.ZonedDateTime) => clock.moveTo(site, new Date(time.epochMilliseconds)),
    async summaryOf(date: string): Promise<void> {
      await waitFor(async () => {
        const query =
          `SELECT count(*) || chr(10) FROM Job WHERE Name = 'summary' AND JobStatus <> 'C' ` +
          `AND JobStatus <> 'R' AND SchedTime::date = '${date}'`;
        return /^\s*1\s*$/m.test(await site.console("admin", `.sql query="${query}"`)) || undefined;
      }, { what: `the cycle of ${date}`, deadlineMs: 120_000, everyMs: 1000 });
    },
    [Symbol.asyncDispose]: () => cleanup.disposeAsync(),
  };
}

function localText(time: Date): string {
  return Temporal.Instant.fromEpochMilliseconds(time.getTime()).toZonedDateTimeISO(timeZone)
    .toPlainDateTime().toString({ smallestUnit: "second" }).replace("T", " ");
}
