import { openBconsole } from "../../core/bacula/bconsole.ts";
import { catchUp, type CaughtUp } from "../../core/bacula/missed.ts";
import { systemProcesses } from "../../core/sys/process.ts";
import { parseTexts } from "../core/bacula/inventories.ts";
import { type BaculaSite, openBaculaSite } from "./bacula_site.ts";
import { waitFor } from "./wait.ts";

/** A VM of a cycle: a script that takes its time stands for vmb. */
export interface CycleVm {
  readonly name: string;
  readonly hypervisor: string;
  readonly seconds: number;
}

/** What became of a VM; times are seconds after the start of the cycle, by the scripts themselves. */
export interface CycleRow {
  readonly vm: string;
  readonly began: number | undefined;
  readonly ended: number | undefined;
  /** Bacula's letter; `undefined` when the catalog has no job. */
  readonly status: string | undefined;
  readonly job: number | undefined;
}

export interface Cycle extends AsyncDisposable {
  readonly site: BaculaSite;
  /** Folder of the volumes: a small file system of its own. */
  readonly archive: string;
  readonly start: Date;
  /** Waits until the script of a VM has begun. */
  began(vm: string): Promise<void>;
  /** Forgets what scripts noted so far. */
  forget(): Promise<void>;
  /** Rows so far. */
  rows(): Promise<readonly CycleRow[]>;
  /** What `vmb ctl run --missed` does, ten minutes after the start. */
  catchUp(): Promise<CaughtUp>;
  /** Waits until the cycle is over: nothing waits or runs, `settledMs` long. */
  over(options?: { readonly deadlineMs?: number }): Promise<number>;
}

export const fiveVms: readonly CycleVm[] = ["a", "b", "c", "d", "e"].map((name, index) => ({
  name,
  hypervisor: index % 2 === 0 ? "hv1" : "hv2",
  seconds: 5,
}));

/**
 * Opens a site whose cycle begins within two minutes, by the Director's own scheduler.
 *
 * @param leadMs that are left before the start for what a test does first
 */
export async function openCycle(
  { vms = fiveVms, settings = {}, edit, leadMs = 20_000 }: {
    readonly vms?: readonly CycleVm[];
    readonly settings?: Readonly<Record<string, unknown>>;
    readonly edit?: (path: string, text: string) => string;
    readonly leadMs?: number;
  } = {},
): Promise<Cycle> {
  await using undo = new AsyncDisposableStack();
  const bin = await Deno.makeTempDir({ prefix: "vmb-cycle-" });
  undo.defer(() => Deno.remove(bin, { recursive: true }));
  await Deno.chmod(bin, 0o755);
  await Deno.writeTextFile(`${bin}/calls`, "");
  for (const { name, hypervisor, seconds } of vms) {
    await Deno.writeTextFile(`${bin}/${name}.seconds`, `${seconds}`);
    await Deno.writeTextFile(`${bin}/${name}.hypervisor`, hypervisor);
  }
  await Deno.writeTextFile(`${bin}/vmb`, standIn, { mode: 0o755 });
  // The daemons need some seconds until they look at their schedules.
  const start = new Date(Math.ceil((Date.now() + leadMs + 12_000) / 60_000) * 60_000);
  const list = JSON.stringify({
    vms: vms.map(({ name, hypervisor }, index) => ({ name, hypervisor, priority: 10 + index })),
  });
  const site = undo.use(
    await openBaculaSite({
      release: "15.0.3",
      list,
      vmb: `${bin}/vmb`,
      hypervisors: [...new Set(vms.map(({ hypervisor }) => hypervisor))],
      settings: { cycle: { start: cycleStart(start), max_run_hours: 24 }, ...settings },
      ...(edit === undefined ? {} : { edit }),
    }),
  );
  await Deno.writeTextFile(`${bin}/share`, site.share);
  const cleanup = undo.move();

  async function times(): Promise<ReadonlyMap<string, number>> {
    const lines = (await Deno.readTextFile(`${bin}/calls`)).trim().split("\n").filter(Boolean);
    return new Map(lines.map((line) => {
      const [what = "", vm = "", , at = ""] = line.split(" ");
      return [`${what} ${vm}`, Number(at) - start.getTime() / 1000];
    }));
  }

  async function jobs(): Promise<ReadonlyMap<string, readonly [number, string]>> {
    const query =
      "SELECT concat_ws('|', Name, JobId, JobStatus) || chr(10) FROM Job ORDER BY JobId";
    const said = await site.console("admin", `.sql query="${query}"`);
    return new Map(
      [...said.matchAll(/^\s*([\w-]+)\|(\d+)\|(\w)/gm)].map(([, name = "", id, status = ""]) => [
        name,
        [Number(id), status],
      ]),
    );
  }

  return {
    site,
    archive: site.places.archive,
    start,
    async began(vm) {
      await waitFor(async () => (await times()).has(`begin ${vm}`) || undefined, {
        what: `the script of ${vm}`,
        deadlineMs: 900_000,
      });
    },
    forget: () => Deno.writeTextFile(`${bin}/calls`, ""),
    async rows() {
      const [at, all] = [await times(), await jobs()];
      return vms.map(({ name }) => {
        const [job, status] = all.get(`vm-${name}`) ?? [];
        return {
          vm: name,
          began: at.get(`begin ${name}`),
          ended: at.get(`end ${name}`),
          job,
          status,
        };
      });
    },
    async catchUp() {
      const [site_, list_] = await Promise.all(
        ["site", "vm-list"].map((name) => Deno.readTextFile(`${site.repository}/${name}.yaml`)),
      );
      const inventory = await parseTexts({ site: site_ ?? "", list: list_ ?? "" });
      const argv = [`${site.bin}/bconsole`, "-n", "-c", site.consoleConfig] as const;
      const bconsole = openBconsole({ processes: systemProcesses, argv });
      const now = new Date(Math.max(Date.now(), start.getTime() + 600_000));
      return await catchUp(bconsole, inventory, { now: () => now });
    },
    async over({ deadlineMs = 7_200_000 } = {}) {
      await waitFor(() => Promise.resolve(Date.now() > start.getTime() + 15_000 || undefined), {
        what: "the start of the cycle",
        deadlineMs: 300_000,
        everyMs: 500,
      });
      await waitFor(async () => {
        const said = await site.console("admin", "status director running");
        return /No Jobs running/.test(said) || undefined;
      }, { what: "the end of the cycle", deadlineMs, everyMs: 3000 });
      return Math.round((Date.now() - start.getTime()) / 1000);
    },
    [Symbol.asyncDispose]: () => cleanup.disposeAsync(),
  };
}

/** A time as `cycle.start` has it; the site is in UTC. */
export function cycleStart(time: Date): string {
  const day = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
  return `${day[time.getUTCDay()]} ${time.toISOString().slice(11, 16)}`;
}

/** Notes when it begins and ends, and leaves what a backup leaves. */
const standIn = `#!/bin/sh
set -eu
here=$(dirname "$0")
vm=$3
[ "$2" = backup ] || exit 0
note() { echo "$1 $vm $7 $(date +%s.%N)" >>"$here/calls"; }
note begin "$@"
sleep "$(cat "$here/$vm.seconds")"
folder=$(cat "$here/share")/$(cat "$here/$vm.hypervisor")/$vm/2026-11-21-120000
mkdir -p "$folder"
head -c 20000 /dev/urandom >"$folder/backup-metadata.json"
echo "$vm: backed up to $folder"
note end "$@"
`;
