import { newCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { warnOfClockChange } from "./clock_warning.ts";
import { renderedFolder, repositoryArgument } from "./repository_argument.ts";

export function renderCommand(context: CommandContext) {
  return newCommand("render", {
    summary: "Render the configurations of a site from site.yaml and vm-list.yaml",
    examples: ["vmb ctl render", "vmb ctl render ~/backup-site --out /tmp/rendered"],
  })
    .argument("[dir]", "folder of the repository", repositoryArgument, ".")
    .option("--out <folder>", "where to write them (default: rendered/ in the repository)")
    .option("--json", "print the result as JSON")
    .action(async (dir, { out, json }) => {
      const { files } = context.system;
      const { loadInventory } = await import("../../core/config/inventory.ts");
      const inventory = await loadInventory(files, dir);
      warnOfClockChange(context, inventory.site);
      const { renderAll } = await import("../../core/deploy/render_site.ts");
      const tree = await renderAll(files, inventory);
      const { writeTree } = await import("../../core/render/write_tree.ts");
      const folder = out ?? renderedFolder(dir);
      const { written, removed, unchanged } = await writeTree(files, tree, folder);
      context.result(json, { folder, written, removed, unchanged }, () =>
        [
          ...written.map((path) => `  written ${path}`),
          ...removed.map((path) => `  removed ${path}`),
          `${folder}: ${tree.size} files, ${written.length} written, ${removed.length} removed\n`,
        ].join("\n"));
    });
}
