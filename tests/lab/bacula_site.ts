import assert from "node:assert/strict";
import { type BaculaPlaces, sitePlaces } from "../../core/bacula/places.ts";
import { renderBacula } from "../../core/bacula/render_bacula.ts";
import { secretFiles, secretFileText } from "../../core/bacula/secret_files.ts";
import { passwordKeys } from "../../core/secrets/secret_key.ts";
import { systemProcesses } from "../../core/sys/process.ts";
import { parseTexts } from "../core/bacula/inventories.ts";
import { makeCatalog } from "./bacula_catalog.ts";
import { type Daemon, startDaemon } from "./bacula_daemons.ts";
import { type BaculaRelease, baculaTools, forRelease } from "./bacula_tools.ts";
import vmbJob from "../../templates/hv/vmb-job" with { type: "text" };
import { type Database, openDatabase } from "./database.ts";
import { waitFor } from "./wait.ts";

/** A job that has ended, as the catalog has it. */
export interface EndedJob {
  readonly id: number;
  /** Bacula's letter: T is done, f is failed, A is canceled. */
  readonly status: string;
  readonly files: number;
  readonly errors: number;
  readonly log: string;
}

/**
 * A real Director, Storage Daemon, File Daemons and catalog on this machine, all configurations rendered by vmb.
 * All hypervisors are this machine; by default there is one, `hv1`.
 */
export interface BaculaSite extends AsyncDisposable {
  readonly folder: string;
  /** Stands for the mount point of the share. */
  readonly share: string;
  readonly places: BaculaPlaces;
  /** Folder with the `site.yaml` and the `vm-list.yaml` that all was rendered from, and a `secrets.conf`. */
  readonly repository: string;
  /** Configuration of the administrator's console. */
  readonly consoleConfig: string;
  /** Folder of programs that must come first on the PATH: there is bconsole. */
  readonly bin: string;
  readonly director: Daemon;
  readonly storageDaemon: Daemon;
  readonly database: Database;
  /** That of the first hypervisor. */
  readonly fileDaemon: Daemon;
  /** What a console prints to these commands. */
  console(who: "admin" | "monitor", ...commands: readonly string[]): Promise<string>;
  /** Queues a job; resolves with its id. */
  queue(job: string, ...words: readonly string[]): Promise<number>;
  /** Waits until a job has ended. */
  ended(id: number, deadlineMs?: number): Promise<EndedJob>;
}

const password = "secret of the lab";

/**
 * @param vmb program that the jobs start on the hypervisor
 * @param share folder that stands for the mount point of the share; by default one of the site's own
 */
export async function openBaculaSite(
  { release, list, vmb, share, sshPort = 22, hypervisors = ["hv1"], settings, edit, env }: {
    readonly release: BaculaRelease;
    /** Text of `vm-list.yaml`. */
    readonly list: string;
    readonly vmb: string;
    readonly share?: string;
    readonly sshPort?: number;
    readonly hypervisors?: readonly string[];
    /** Of `site.yaml`, instead of those here. */
    readonly settings?: Readonly<Record<string, unknown>>;
    /** Changes the text of a rendered file: the lab has no mail program, and less patience. */
    readonly edit?: (path: string, text: string) => string;
    /** For the Director: a clock of its own. */
    readonly env?: Readonly<Record<string, string>>;
  },
): Promise<BaculaSite> {
  await using undo = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir({ prefix: "vmb-bacula-" });
  undo.defer(() => Deno.remove(folder, { recursive: true }));
  // The database runs as a user of its own.
  await Deno.chmod(folder, 0o755);
  const folders = ["config", "repository", "secrets", "share", "archive", "dumps"];
  for (const name of [...folders, "dir", "sd", "fd", "bin"]) await Deno.mkdir(`${folder}/${name}`);
  const tools = await baculaTools(release);
  const database = undo.use(await openDatabase(`${folder}/database`, password));
  await makeCatalog(tools, database.environment, folder);
  const [director = 0, storage = 0, web = 0, ...clients] = freePorts(3 + hypervisors.length);
  const text = JSON.stringify({
    name: "lab",
    control: { host: "127.0.0.1" },
    time_zone: "UTC",
    cycle: { start: "Saturday 12:00" },
    nfs: { export: "lab:/", mount: share ?? `${folder}/share` },
    hypervisors: hypervisors.map((name, index) => (
      { name, address: "127.0.0.1", fd_port: clients[index], ssh: { port: sshPort } }
    )),
    images: Object.fromEntries(
      ["postgres", "director", "storage", "api", "web"].map((
        name,
      ) => [name, "localhost/x:1-trixie"]),
    ),
    ports: { director, storage, web },
    ...settings,
  });
  const { site, vms } = await parseTexts({ site: text, list });
  await Deno.writeTextFile(`${folder}/repository/site.yaml`, text);
  await Deno.writeTextFile(`${folder}/repository/vm-list.yaml`, list);
  // The daemons here have others, which no secrets.conf may hold.
  const secrets = passwordKeys.map((key) => `${key}=${"x".repeat(40)}\n`).join("");
  await Deno.writeTextFile(`${folder}/repository/secrets.conf`, secrets, { mode: 0o600 });
  const places: BaculaPlaces = {
    ...sitePlaces(site),
    config: `${folder}/config/bacula`,
    secrets: `${folder}/secrets`,
    work: `${folder}/dir`,
    run: `${folder}/dir`,
    archive: `${folder}/archive`,
    dumps: { director: `${folder}/dumps`, hypervisor: `${folder}/dumps` },
    catalog: { host: "127.0.0.1", port: database.port },
    director: { host: "127.0.0.1", port: director },
    storagePort: storage,
    hypervisor: {
      secrets: `${folder}/secrets`,
      work: `${folder}/fd`,
      run: `${folder}/fd`,
      vmb,
      launcher: `${folder}/jobs/vmb-job`,
    },
  };
  const key = { DB_PASSWORD: password } as Readonly<Record<string, string>>;
  for (const secret of Object.values(secretFiles)) {
    const text = secretFileText(secret, key[secret.key] ?? `${secret.key} "$x" %n \\`);
    await Deno.writeTextFile(`${places.secrets}/${secret.name}`, text);
  }
  for (const [path, { content }] of renderBacula(site, vms, places)) {
    const target = `${folder}/config/${path}`;
    await Deno.mkdir(target.replace(/\/[^/]*$/, ""), { recursive: true });
    const text = forRelease(release, content);
    await Deno.writeTextFile(target, edit === undefined ? text : edit(path, text));
  }
  await Deno.mkdir(`${folder}/jobs`);
  await Deno.writeTextFile(
    places.hypervisor.launcher,
    vmbJob.replace("/opt/vm-backup/bin/vmb", vmb),
    { mode: 0o755 },
  );
  // What the hooks find in the Director's container.
  await Deno.writeTextFile(
    `${folder}/bin/bconsole`,
    `#!/bin/sh\nexec ${tools.argv("bconsole").join(" ")} "$@"\n`,
    { mode: 0o755 },
  );

  const bin = `${folder}/bin`;
  const start = (program: string, config: string, env?: Readonly<Record<string, string>>) => {
    const daemon = startDaemon(tools, program, config, { bin, env });
    undo.defer(() => daemon.end("SIGKILL"));
    return daemon;
  };
  const fileDaemons = hypervisors.map((name) =>
    start("bacula-fd", `${folder}/config/fd/${name}/bacula-fd.conf`)
  );
  const storageDaemon = start("bacula-sd", `${places.config}/bacula-sd.conf`);
  const directorDaemon = start("bacula-dir", `${places.config}/bacula-dir.conf`, env);

  async function console(
    who: "admin" | "monitor",
    ...commands: readonly string[]
  ): Promise<string> {
    const config = `${places.config}/${who === "admin" ? "bconsole" : "monitor"}.conf`;
    const { stdout } = await systemProcesses.run(tools.argv("bconsole", "-n", "-c", config), {
      stdin: [...commands, "quit", ""].join("\n"),
      // When a File Daemon dies, the Director takes a minute to end its job.
      timeoutMs: 180_000,
    });
    return stdout;
  }

  await waitFor(
    async () => /vmb-dir Version/.test(await console("admin", "version")) || undefined,
    { what: "an answer of the Director", deadlineMs: 30_000, evidence: () => console("admin") },
  );
  const cleanup = undo.move();
  return {
    folder,
    share: site.nfs.mount,
    places,
    repository: `${folder}/repository`,
    consoleConfig: `${places.config}/bconsole.conf`,
    bin,
    director: directorDaemon,
    storageDaemon,
    database,
    fileDaemon: must(fileDaemons[0]),
    console,
    async queue(job, ...words) {
      const said = await console("admin", ["run", `job=${job}`, ...words, "yes"].join(" "));
      const [, id] = /JobId=(\d+)/.exec(said) ?? [];
      assert.ok(id !== undefined, said);
      return Number(id);
    },
    async ended(id, deadlineMs = 120_000) {
      const job = await waitFor(async () => {
        const said = await console("admin", `llist jobid=${id}`);
        return /^\s*jobstatus: [^CR]$/m.test(said) ? said : undefined;
      }, {
        what: `the end of job ${id}`,
        deadlineMs,
        everyMs: 250,
        evidence: () => console("admin", "status director", `list joblog jobid=${id}`),
      });
      const field = (name: string) => new RegExp(`^\\s*${name}: (.*)$`, "m").exec(job)?.[1] ?? "";
      return {
        id,
        status: field("jobstatus"),
        files: Number(field("jobfiles")),
        errors: Number(field("joberrors")),
        log: await console("admin", `list joblog jobid=${id}`),
      };
    },
    [Symbol.asyncDispose]: () => cleanup.disposeAsync(),
  };
}

function must<T>(value: T | undefined): T {
  assert.ok(value !== undefined);
  return value;
}

function freePorts(count: number): readonly number[] {
  const listeners = Array.from(
    { length: count },
    () => Deno.listen({ hostname: "127.0.0.1", port: 0 }),
  );
  for (const listener of listeners) listener.close();
  return listeners.map(({ addr }) => addr.port);
}
