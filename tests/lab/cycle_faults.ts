import { runOk, systemProcesses } from "../../core/sys/process.ts";
import type { Cycle } from "./bacula_cycle.ts";

/** Something that fails while a cycle of five VMs runs. */
export interface CycleFault {
  readonly what: string;
  /** Before the cycle begins. */
  readonly before?: (cycle: Cycle) => Promise<void>;
  /** After it has begun; the fault is as at three in the morning: nobody mends it, but where `what` says so. */
  readonly during?: (cycle: Cycle) => Promise<void>;
  /** Takes the fault away, so that what was passed over can run. */
  readonly mend?: (cycle: Cycle) => Promise<void>;
}

/** All that a cycle was tried with; each holds as little as it can. */
export const cycleFaults: Readonly<Record<string, CycleFault>> = {
  none: { what: "nothing fails" },
  full: {
    what: "the archive is full",
    async before({ archive }) {
      await smallArchive(archive);
      await runOk(systemProcesses, ["sh", "-c", `cat /dev/zero >'${archive}/fill' || :`]);
    },
  },
  readOnly: {
    what: "the archive is read-only",
    async before({ archive }) {
      await smallArchive(archive);
      await runOk(systemProcesses, ["mount", "-o", "remount,ro", archive]);
    },
  },
  volume: {
    what: "the volume is damaged",
    async before({ archive, site }) {
      const job = await site.ended(await site.queue("vm-a"));
      if (job.status !== "T") throw new Error(job.log);
      for await (const { name } of Deno.readDir(archive)) {
        await Deno.writeFile(`${archive}/${name}`, new Uint8Array(4096));
      }
    },
  },
  storageDown: {
    what: "the Storage Daemon is down",
    before: ({ site }) => site.storageDaemon.end("SIGKILL"),
    mend: ({ site }) => Promise.resolve(site.storageDaemon.start()),
  },
  storageHung: {
    what: "the Storage Daemon hangs",
    before: ({ site }) => Promise.resolve(site.storageDaemon.signal("SIGSTOP")),
  },
  storageHangs: {
    what: "the Storage Daemon hangs from the second VM's script on",
    async during(cycle) {
      await cycle.began("b");
      cycle.site.storageDaemon.signal("SIGSTOP");
    },
  },
  client: {
    what: "hv1 is down",
    before: ({ site }) => site.fileDaemon.end("SIGKILL"),
    mend: ({ site }) => Promise.resolve(site.fileDaemon.start()),
  },
  clientHung: {
    what: "the File Daemon of hv1 hangs",
    before: ({ site }) => Promise.resolve(site.fileDaemon.signal("SIGSTOP")),
  },
  catalog: {
    what: "the catalog is down for 90 s, from the second VM's script on",
    async during(cycle) {
      await cycle.began("b");
      await cycle.site.database.stop();
      await pause(90_000);
      await cycle.site.database.start();
    },
    mend: () => pause(0),
  },
  catalogAtStart: {
    what: "the catalog is down when the cycle begins, and for 90 s",
    before: ({ site }) => site.database.stop(),
    async during(cycle) {
      await pause(cycle.start.getTime() + 90_000 - Date.now());
      await cycle.site.database.start();
    },
    mend: () => pause(60_000),
  },
  connections: {
    what: "the catalog is out of connections when the cycle begins, and for 90 s",
    async before({ site, start }) {
      const seconds = Math.round((start.getTime() + 90_000 - Date.now()) / 1000);
      for (let index = 0; index < 30; index++) {
        new Deno.Command("psql", {
          args: ["-qAtc", `SELECT pg_sleep(${seconds})`, "bacula"],
          env: site.database.environment,
          stdin: "null",
          stdout: "null",
          stderr: "null",
        }).spawn();
      }
      await pause(3000);
    },
    mend: ({ start }) => pause(start.getTime() + 100_000 - Date.now()),
  },
};

/** A file system of 2 MiB, which unmounts itself with the namespace or by `umount`. */
async function smallArchive(archive: string): Promise<void> {
  await runOk(systemProcesses, ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", archive]);
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}
