import { exitCodes, VmbError } from "../../core/error.ts";
import { newCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { monitorOf } from "./console_options.ts";
import { repositoryFolder } from "./repository_folder.ts";

export function teardownCommand(context: CommandContext) {
  return newCommand("teardown", {
    summary: "Take the services off this machine; data stays unless it is told to go",
    examples: ["vmb ctl teardown --yes", "vmb ctl teardown --purge-data --confirm 'Example lab'"],
    exits: { 11: "a job runs that would be lost, or a deploy" },
  })
    .argument("[dir]", "folder of the repository", ".")
    .option("--yes", "do not ask")
    .option("--purge-data", "remove the volumes too: the catalog is lost; the share stays")
    .option("--confirm <name>", "name of the site, as site.yaml has it")
    .option("--json", "print the result as JSON")
    .action(async (dir, { yes, purgeData, confirm, json }) => {
      const { system, terminal, report } = context;
      const repository = await repositoryFolder(system, dir);
      const { loadInventory } = await import("../../core/config/inventory.ts");
      const inventory = await loadInventory(system.files, repository);
      const { site } = inventory;
      const { renderAll } = await import("../../core/deploy/render_site.ts");
      const { controlPlaces } = await import("../../core/deploy/places.ts");
      const { teardown, volumesToPurge } = await import("../../core/deploy/teardown.ts");
      const volumes = volumesToPurge({
        purge: purgeData ?? false,
        confirm,
        site: site.name,
        tree: await renderAll(system.files, inventory),
      });
      if (yes !== true && volumes.length === 0) {
        const answer = terminal.ask("Backups will no longer be made. Type yes to go on: ");
        if (answer === undefined) {
          throw new VmbError("Cannot take down the services: there is nobody to ask", {
            code: "usage.confirm",
            exit: exitCodes.usage,
            hint: "Give --yes",
          });
        }
        if (answer !== "yes") {
          return context.result(json, { outcome: "declined" }, () => "Nothing was changed\n");
        }
      }
      const places = controlPlaces(site, system.host);
      const outcome = await teardown(system, places, {
        bconsole: monitorOf(context),
        volumes,
        report,
      });
      context.result(json, { outcome: "removed", ...outcome }, () =>
        [
          `Removed: ${outcome.files.length} files, ${outcome.secrets.length} secrets`,
          ...outcome.kept.map((path) => `Kept, because it was changed here: ${path}`),
          outcome.purged.length > 0
            ? `Removed with their data: ${outcome.purged.join(", ")}`
            : "Kept: the volumes of podman with the catalog, and the share",
          "",
        ].join("\n"));
    });
}
