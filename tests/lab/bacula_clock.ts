import type { BaculaSite } from "./bacula_site.ts";

/** A clock of a Director's own, which a test moves: by libfaketime, which must be installed. */
export interface DirectorClock {
  /** For `openBaculaSite`. */
  readonly env: Readonly<Record<string, string>>;
  /** Moves the clock of the Director of a site. */
  moveTo(site: Pick<BaculaSite, "console">, time: Date): Promise<void>;
}

const library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

/**
 * @param file that holds the offset
 * @param rate how many seconds it shows in one
 */
export async function openClock(
  file: string,
  timeZone: string,
  rate: number,
): Promise<DirectorClock> {
  let offset = 0;
  const write = () => Deno.writeTextFile(file, `${offset < 0 ? "" : "+"}${offset} x${rate}`);
  await write();
  return {
    env: {
      TZ: timeZone,
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    },
    async moveTo(site, time) {
      const now = await directorTime(site, timeZone);
      offset += Math.round((time.getTime() - now.getTime()) / 1000);
      await write();
    },
  };
}

/** What the Director's clock shows. */
export async function directorTime(
  site: Pick<BaculaSite, "console">,
  timeZone: string,
): Promise<Date> {
  const said = await site.console("admin", "time");
  const [, day, name = "", year, time] = /\w+ (\d\d)-(\w+)-(\d{4}) (\d\d:\d\d:\d\d)/.exec(said) ??
    [];
  const month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    .indexOf(name) + 1;
  const local = `${year}-${String(month).padStart(2, "0")}-${day}T${time}[${timeZone}]`;
  return new Date(Temporal.ZonedDateTime.from(local).epochMilliseconds);
}
