import assert from "node:assert/strict";
import {
  catalogVersion,
  ensureCatalog,
  queryCatalog,
  setDatabasePassword,
} from "../../core/deploy/catalog.ts";
import { desiredState } from "../../core/deploy/desired.ts";
import { jobResults } from "../../core/deploy/health_jobs.ts";
import { controlPlaces, type Machine } from "../../core/deploy/places.ts";
import { runOk, systemProcesses } from "../../core/sys/process.ts";
import { parseTexts } from "../core/bacula/inventories.ts";
import { sourcesOf, writeRepository } from "../core/deploy/deploy_site.ts";
import { type FakeMachine, openFakeMachine } from "../core/deploy/fake_machine.ts";
import { temporaryFolder } from "../core/nbd/servers.ts";
import { baculaTools } from "../lab/bacula_tools.ts";
import { type Database, openDatabase } from "../lab/database.ts";

/** A machine whose PostgreSQL and whose Bacula are real, though not in containers. */
function withDatabase(
  { at, machine }: FakeMachine,
  database: Database,
  { root, copy }: { readonly root: string; readonly copy: string },
): Machine {
  const env: Record<string, string> = { ...database.environment };
  return {
    ...machine,
    processes: {
      ...machine.processes,
      async run(argv, options = {}) {
        const [, verb = "", ...rest] = argv;
        if (verb === "cp") {
          await Deno.copyFile(at(rest[0] ?? ""), copy);
          return { argv, code: 0, stdout: "", stderr: "" };
        }
        if (verb === "exec") {
          const [program = "", ...args] = rest.slice(2);
          if (["rm", "sh"].includes(program)) return { argv, code: 0, stdout: "", stderr: "" };
          const words = args.map((word) => word === "/tmp/vmb-bacula.dump" ? copy : word);
          return await systemProcesses.run([program, ...words], { ...options, env });
        }
        assert.equal(verb, "run");
        const make = rest.some((word) => word === "--env=MAKE=yes") ? "yes" : "no";
        const stdin = options.stdin &&
          String(options.stdin).replaceAll("/usr/share/bacula-director", `${root}/$&`)
            .replaceAll("/tmp/make-tables", `${copy}.tables`);
        return await systemProcesses.run(["sh", "-s"], {
          ...{ ...options, ...(stdin !== undefined && { stdin }) },
          env: { ...env, MAKE: make, PGDATABASE: "bacula" },
        });
      },
    },
  };
}

Deno.test("ensureCatalog makes the tables of Bacula 15.0.3 once, and brings back a dump of them", async () => {
  await using folder = await temporaryFolder();
  await Deno.chmod(folder.path, 0o755);
  const { root } = await baculaTools("15.0.3");
  const places = { root, copy: `${folder.path}/copy` };
  await using fake = await openFakeMachine();
  await writeRepository(fake);
  const sources = await sourcesOf(fake);
  const desired = desiredState(sources, controlPlaces(sources.site, fake.machine.host));
  const options = { restore: false, report: () => {} };
  const dump = `${fake.root}/mnt/backup/metadata/bacula/catalog/bacula.dump`;

  {
    await using database = await openDatabase(`${folder.path}/first`, "old");
    const machine = withDatabase(fake, database, places);
    assert.equal(await catalogVersion(machine), undefined);
    await ensureCatalog(machine, desired, options);
    assert.equal(await catalogVersion(machine), 1026);
    await queryCatalog(
      machine,
      `INSERT INTO job (jobid, job, name, type, level, clientid, jobstatus, schedtime, starttime)
        VALUES (1, 'a.1', 'vm-asav1', 'B', 'F', 1, 'T', localtimestamp - interval '3 hours', null),
        (2, 'a.2', 'vm-asav1', 'B', 'F', 1, 'f', localtimestamp - interval '2 hours', null),
        (3, 'a.3', 'vm-asav1', 'B', 'F', 1, 'R', localtimestamp - interval '1 hours', null);`,
    );
    // What is there stays as it is.
    await ensureCatalog(machine, desired, options);
    const { vms } = await parseTexts({
      site: await Deno.readTextFile(fake.at("/root/site/site.yaml")),
      list: await Deno.readTextFile(fake.at("/root/site/vm-list.yaml")),
    });
    const verdict = await jobResults(machine, vms);
    assert.match(verdict.detail, /^"asav1" failed \(job 2\); "prod-db-01" has never run; /);
    await setDatabasePassword(machine, "new0123456789abcdef");
    await assert.rejects(queryCatalog(machine, "SELECT 1;"), { code: "catalog.query" });
    await Deno.mkdir(dump.slice(0, dump.lastIndexOf("/")), { recursive: true });
    await runOk(systemProcesses, ["pg_dump", "--format=custom", `--file=${dump}`, "bacula"], {
      env: { ...database.environment, PGPASSWORD: "new0123456789abcdef" },
    });
  }
  await using database = await openDatabase(`${folder.path}/second`, "other");
  const machine = withDatabase(fake, database, places);
  await assert.rejects(ensureCatalog(machine, desired, options), { code: "catalog.dump-exists" });
  await ensureCatalog(machine, desired, { ...options, restore: true });
  assert.equal(await catalogVersion(machine), 1026);
  assert.equal(await queryCatalog(machine, "SELECT count(*) FROM job;"), "3");
});
