import { secretFiles, secretFileText } from "../bacula/secret_files.ts";
import { readConfigText } from "../config/config_text.ts";
import { settingsFile, vmListFile } from "../config/configuration.ts";
import { loadInventory } from "../config/inventory.ts";
import { parseKeyValue } from "../config/key_value.ts";
import { configError } from "../config/problem.ts";
import { unknownKeys } from "../config/resolve_settings.ts";
import { isSettingKey, type SettingKey } from "../config/settings.ts";
import type { ConfigProblem } from "../error.ts";
import { renderAll } from "./render_site.ts";
import { loadSecrets, secretsFile } from "../secrets/secrets_file.ts";
import type { Files } from "../sys/files.ts";
import { type PushSource, siteSettings } from "./hypervisor_files.ts";

/**
 * Loads what the repository of a site has for its hypervisors: the inventory, the secrets, and, if there is
 * one, a `vm-backup.conf` with settings for all of them.
 *
 * @throws {ConfigError} with the problems of the file that has some
 */
export async function loadPushSource(files: Files, folder: string): Promise<PushSource> {
  const inventory = await loadInventory(files, folder);
  const tree = await renderAll(files, inventory);
  const secrets = await loadSecrets(files, `${folder}/${secretsFile}`);
  const settings = new Map(await readSettings(files, `${folder}/${settingsFile}`));
  for (const key of ["SLACK_FAILURE_WEBHOOK", "SLACK_SUCCESS_WEBHOOK"] as const) {
    const webhook = secrets.get(key);
    if (webhook !== undefined) settings.set(key, webhook);
  }
  return {
    site: inventory.site,
    settings,
    vmList: await files.readText(`${folder}/${vmListFile}`),
    renderFd: (_, { name }) => tree.get(`fd/${name}/bacula-fd.conf`)?.content ?? "",
    fdPassword: secretFileText(
      secretFiles.fileDaemon,
      secrets.get(secretFiles.fileDaemon.key) ?? "",
    ),
  };
}

async function readSettings(
  files: Pick<Files, "inspectTarget" | "read">,
  path: string,
): Promise<readonly (readonly [SettingKey, string])[]> {
  const found = await readConfigText(files, path);
  if (found.kind === "absent") return [];
  if (found.kind === "problem") throw configError([found.problem]);
  const { assignments, problems } = parseKeyValue(found.text, path);
  const fixed = assignments.filter(({ key }) => siteSettings.some((each) => each === key))
    .map(({ key, line, keyColumn }): ConfigProblem => ({
      source: path,
      line,
      column: keyColumn,
      message: `Cannot set ${key} for all hypervisors: it comes from site.yaml and secrets.conf`,
      hint: "Remove the line",
    }));
  const all = [...problems, ...unknownKeys(assignments, path), ...fixed];
  if (all.length > 0) throw configError(all);
  return assignments.flatMap(({ key, value }) => isSettingKey(key) ? [[key, value] as const] : []);
}
