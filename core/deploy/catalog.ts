import makeCatalog from "../../templates/deploy/make-catalog.sh" with { type: "text" };
import { exitCodes, VmbError } from "../error.ts";
import type { Report } from "../event.ts";
import { metadataFolder } from "../repository/layout.ts";
import { commandFailed, runOk } from "../sys/process.ts";
import { shareFiles } from "../sys/share_files.ts";
import { inContainer } from "./containers.ts";
import type { Desired } from "./desired.ts";
import type { Machine } from "./places.ts";
import { shareTimeoutMs } from "./plan.ts";

const database = ["--username=bacula", "--dbname=bacula"];

/**
 * Asks the catalog; rows are lines, columns are separated by `|`. The connection is local to the container, where
 * PostgreSQL's image trusts.
 *
 * @throws {VmbError} `catalog.query`
 */
export async function queryCatalog(
  { processes }: Pick<Machine, "processes">,
  sql: string,
): Promise<string> {
  const psql = ["psql", "--no-psqlrc", "--quiet", "-At", "--set=ON_ERROR_STOP=1", ...database];
  const done = await processes.run(inContainer("vmb-postgres", ...psql), { stdin: `${sql}\n` });
  if (done.code === 0) return done.stdout.trim();
  throw new VmbError(`The catalog gives no answer: ${done.stderr.trim().split("\n").at(-1)}`, {
    code: "catalog.query",
    hint: "Look at: journalctl -u vmb-postgres",
  });
}

/** The version of the catalog's tables; `undefined` for a database without them. */
export async function catalogVersion(
  machine: Pick<Machine, "processes">,
): Promise<number | undefined> {
  const table = await queryCatalog(machine, "SELECT to_regclass('public.version');");
  if (table === "") return undefined;
  const version = await queryCatalog(machine, "SELECT versionid FROM version;");
  return version === "" ? undefined : Number(version);
}

/** Tells PostgreSQL the password of the Director and of Bacularis: it read it only when it made its database. */
export async function setDatabasePassword(
  machine: Pick<Machine, "processes">,
  password: string,
): Promise<void> {
  // secrets.conf allows letters and digits alone.
  await queryCatalog(machine, `ALTER ROLE bacula PASSWORD '${password}';`);
}

/** Where the Director dumps the catalog after each cycle. */
function dumpPath({ site }: Pick<Desired, "site">): string {
  return `${metadataFolder(site.nfs.mount)}/bacula/catalog/bacula.dump`;
}

/**
 * Makes the tables of an empty catalog, or brings back the last dump; checks the version of one that has tables.
 * A catalog that has any is never touched.
 *
 * @param options.restore brings back the dump that lies on the share
 * @throws {VmbError} `catalog.dump-exists` (exit 6) where a new catalog would forget volumes that are there;
 *   `catalog.version` (exit 6), `catalog.make`
 */
export async function ensureCatalog(
  machine: Machine,
  desired: Desired,
  { restore, report }: { readonly restore: boolean; readonly report: Report },
): Promise<void> {
  const version = await catalogVersion(machine);
  if (version === undefined) {
    const dump = dumpPath(desired);
    const share = shareFiles(machine.files, desired.site.nfs.mount, shareTimeoutMs);
    const dumped = await share.inspectTarget(dump) !== undefined;
    if (dumped && !restore) {
      throw new VmbError(`The catalog is empty, and "${dump}" is a dump of it`, {
        code: "catalog.dump-exists",
        exit: exitCodes.problems,
        hint: "Bring it back: vmb ctl deploy --redeploy; or move the dump and the volumes away",
      });
    }
    if (dumped) {
      report({ kind: "info", text: `Bringing back the catalog of "${dump}"` });
      await restoreDump(machine, dump);
    } else {
      report({ kind: "info", text: "Making the tables of the catalog" });
    }
  }
  const wanted = await wantedVersion(machine, desired, {
    make: await catalogVersion(machine) === undefined,
  });
  const now = await catalogVersion(machine);
  if (now === undefined) {
    throw new VmbError("The tables of the catalog were not made", {
      code: "catalog.make",
      hint: "Run it again, and look at: journalctl -u vmb-postgres",
    });
  }
  if (now === wanted) return;
  throw new VmbError(`The catalog has version ${now}: the Director's image wants ${wanted}`, {
    code: "catalog.version",
    exit: exitCodes.problems,
    hint: "Dump it, then run update_postgresql_tables of the image; or use the image of before",
  });
}

/** Runs the script of Bacula in its image: it knows its tables, and has psql. */
async function wantedVersion(
  { processes }: Machine,
  { services }: Desired,
  { make }: { readonly make: boolean },
): Promise<number> {
  const image = services.find(({ name }) => name === "vmb-director")?.image ?? "";
  const variables = {
    MAKE: make ? "yes" : "no",
    PGHOST: "vmb-postgres",
    PGUSER: "bacula",
    PGDATABASE: "bacula",
  };
  const done = await processes.run([
    ...["podman", "run", "--rm", "--network=vmb-catalog", "--pull=never", "--interactive"] as const,
    "--secret=vmb-db-password,type=env,target=PGPASSWORD",
    ...Object.entries(variables).map(([name, value]) => `--env=${name}=${value}`),
    ...["--entrypoint=/bin/sh", image, "-s"],
  ], { stdin: makeCatalog, timeoutMs: 300_000 });
  const version = /^version (\d+)$/m.exec(done.stdout)?.[1];
  if (done.code === 0 && version !== undefined) return Number(version);
  throw commandFailed(done, `Is "${image}" an image of Bacula's Director?`);
}

/** All of it, or nothing: an interrupted one leaves an empty database. */
async function restoreDump({ processes }: Machine, dump: string): Promise<void> {
  const inside = "/tmp/vmb-bacula.dump";
  await runOk(processes, ["podman", "cp", dump, `vmb-postgres:${inside}`], { timeoutMs: 3600_000 });
  const restore = ["pg_restore", "--single-transaction", "--exit-on-error", "--no-owner"];
  await runOk(
    processes,
    inContainer("vmb-postgres", ...restore, ...database, inside),
    { timeoutMs: 4 * 3600_000 },
  );
  await processes.run(inContainer("vmb-postgres", "rm", "-f", inside));
}
