/** What a process used, as far as the last look at it saw. */
export interface Usage {
  /** Peak resident memory in MiB. */
  readonly peakMib: number;
  /** Seconds of processor time by thread name; threads of one name are added up. */
  readonly threads: ReadonlyMap<string, number>;
}

/** Length of a clock tick in /proc/PID/stat: USER_HZ, 100 on every Linux (proc(5)). */
const ticksPerSecond = 100;

/** Looks at a process every 50 ms until `ended` settles: the kernel forgets it at its end. */
export async function watchProcess(pid: number, ended: Promise<unknown>): Promise<Usage> {
  let peakMib = 0;
  const ticks = new Map<string, { readonly name: string; readonly count: number }>();
  let over = false;
  const end = ended.then(() => over = true, () => over = true);
  while (!over) {
    const status = await Deno.readTextFile(`/proc/${pid}/status`).catch(() => "");
    peakMib = Math.max(peakMib, Number(/^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1024);
    for (const tid of await threadsOf(pid)) {
      const stat = await Deno.readTextFile(`/proc/${pid}/task/${tid}/stat`).catch(() => undefined);
      if (stat !== undefined) ticks.set(tid, readStat(stat));
    }
    const pause = Promise.withResolvers<void>();
    const timer = setTimeout(pause.resolve, 50);
    await Promise.race([end, pause.promise]);
    clearTimeout(timer);
  }
  const threads = new Map<string, number>();
  for (const { name, count } of ticks.values()) {
    threads.set(name, (threads.get(name) ?? 0) + count / ticksPerSecond);
  }
  return { peakMib: Math.round(peakMib), threads };
}

async function threadsOf(pid: number): Promise<readonly string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(`/proc/${pid}/task`))).map(({ name }) => name);
  } catch {
    return [];
  }
}

/** The name may hold anything, so what follows is found from its closing bracket: utime and stime. */
function readStat(stat: string): { name: string; count: number } {
  const close = stat.lastIndexOf(")");
  const fields = stat.slice(close + 2).split(" ");
  return {
    name: stat.slice(stat.indexOf("(") + 1, close),
    count: Number(fields[11]) + Number(fields[12]),
  };
}
