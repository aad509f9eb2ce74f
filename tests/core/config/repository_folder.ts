import assert from "node:assert/strict";
import { type Inventory, loadInventory } from "../../../core/config/inventory.ts";
import { ConfigError } from "../../../core/error.ts";
import { systemFiles } from "../../../core/sys/files.ts";

/** A `site.yaml` with every key that must be there, and nothing else. */
export const smallSite = `name: lab
control: { host: vmb.lab.example }
time_zone: Europe/Berlin
cycle: { start: Saturday 12:00 }
nfs: { export: "nas.lab.example:/export/backup" }
hypervisors:
  - { name: hv1, address: hv1.lab.example }
  - { name: hv2, address: 192.0.2.12 }
images:
  postgres: docker.io/library/postgres:17.6
  director: docker.io/bacularis/bacularis-api-dir:6.4.0-trixie
  storage: docker.io/bacularis/bacularis-api-sd:6.4.0-trixie
  api: docker.io/bacularis/bacularis-api-dir:6.4.0-trixie
  web: docker.io/bacularis/bacularis-web:6.4.0-trixie
`;

export interface RepositoryTexts {
  readonly site?: string | undefined;
  readonly list?: string | undefined;
}

/** Loads an inventory from a temporary folder; a text that is not given is a file that is not there. */
export async function loadTexts({ site, list }: RepositoryTexts): Promise<Inventory> {
  const folder = await Deno.makeTempDir();
  try {
    if (site !== undefined) await Deno.writeTextFile(`${folder}/site.yaml`, site);
    if (list !== undefined) await Deno.writeTextFile(`${folder}/vm-list.yaml`, list);
    return await loadInventory(systemFiles, folder);
  } catch (error) {
    if (error instanceof Error) error.message = error.message.replaceAll(`${folder}/`, "");
    throw error;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The problems of a repository that must not load, each as `place: message | hint`. */
export async function problemsOfTexts(texts: RepositoryTexts): Promise<readonly string[]> {
  try {
    await loadTexts(texts);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    assert.equal(error.exit, 4);
    if (error.hint === undefined) return error.message.replaceAll("\n  hint: ", " | ").split("\n");
    return [`${error.message} | ${error.hint}`];
  }
  throw new Error("The repository loaded, but has problems");
}
