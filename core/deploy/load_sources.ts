import { type Inventory, loadInventory } from "../config/inventory.ts";
import type { Report } from "../event.ts";
import { loadCertificate, readCertificate } from "../pki/certificate.ts";
import { renderAll } from "./render_site.ts";
import { loadSecrets, secretsFile } from "../secrets/secrets_file.ts";
import type { System } from "../sys/system.ts";
import type { DeploySources } from "./desired.ts";

/** Where install.sh puts the program: a unit names the same path whoever deploys. */
const installedProgram = "/usr/local/bin/vmb";

/**
 * Loads all that a deploy is made from.
 *
 * @param repository absolute path of its folder
 * @param options.anyCertificate also takes one that has problems, or none
 * @throws {ConfigError} (exit 4), and `certs.missing` or `certs.invalid` (exit 4)
 */
export async function loadSources(
  { clock, files }: Pick<System, "clock" | "files">,
  repository: string,
  report: Report,
  { anyCertificate = false }: { readonly anyCertificate?: boolean } = {},
): Promise<{ readonly sources: DeploySources; readonly inventory: Inventory }> {
  const inventory = await loadInventory(files, repository);
  const { site } = inventory;
  const tree = await renderAll(files, inventory);
  const secrets = await loadSecrets(files, `${repository}/${secretsFile}`);
  const certificate = anyCertificate
    ? await readCertificate(files, repository) ?? { certificate: "", key: "" }
    : await goodCertificate();
  const sources = { site, repository, tree, secrets, certificate, vmb: installedProgram };
  return { sources, inventory };

  async function goodCertificate() {
    const { control } = site;
    const { certificate, warnings } = await loadCertificate(files, repository, {
      names: [...new Set([control.host, ...control.addresses])],
      now: clock.now(),
    });
    for (const { message, hint } of warnings) report({ kind: "warning", text: message, hint });
    return certificate;
  }
}
