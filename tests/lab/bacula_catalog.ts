import assert from "node:assert/strict";
import { runOk, systemProcesses } from "../../core/sys/process.ts";
import type { BaculaTools } from "./bacula_tools.ts";

/** Makes the tables of a catalog. The script says that it succeeded whatever happened, so the version is asked for. */
export async function makeCatalog(
  tools: BaculaTools,
  env: Readonly<Record<string, string>>,
  folder: string,
): Promise<void> {
  const script = await Deno.readTextFile(
    `${tools.root}/usr/share/bacula-director/make_postgresql_tables`,
  );
  const path = `${folder}/make-tables`;
  // Debian's script lets the shell put a process id where SQL wants "$$".
  await Deno.writeTextFile(path, script.replaceAll(/(?<!\\)\$\$/g, "\\$\\$"));
  await runOk(systemProcesses, ["bash", path], { env: { ...env, db_name: "bacula" } });
  const query = "SELECT versionid FROM version";
  const { stdout } = await runOk(systemProcesses, ["psql", "-Atc", query, "bacula"], { env });
  assert.match(stdout, /^\d+\n$/);
}
