import { exitCodes, VmbError } from "../../core/error.ts";
import { newCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { renderedFolder, repositoryArgument } from "./repository_argument.ts";

export function diffCommand(context: CommandContext) {
  return newCommand("diff", {
    summary: "Show how files differ from what the repository would render now",
    examples: ["vmb ctl diff", "vmb ctl diff ~/backup-site --against /etc/vm-backup"],
    exits: { 0: "they are as rendered", 6: "they differ" },
  })
    .argument("[dir]", "folder of the repository", repositoryArgument, ".")
    .option("--against <folder>", "files to compare (default: rendered/ in the repository)")
    .option("--json", "print the differences as JSON")
    .action(async (dir, { against, json }) => {
      const { files } = context.system;
      const { loadInventory } = await import("../../core/config/inventory.ts");
      const inventory = await loadInventory(files, dir);
      const { renderAll } = await import("../../core/deploy/render_site.ts");
      const tree = await renderAll(files, inventory);
      const { compareTree } = await import("../../core/render/compare_tree.ts");
      const folder = against ?? renderedFolder(dir);
      const differences = await compareTree(files, tree, folder);
      context.result(
        json,
        { folder, differences },
        () =>
          differences.length === 0
            ? `${folder}: ${tree.size} files, as rendered\n`
            : differences.map(({ diff }) => diff).join(""),
      );
      if (differences.length === 0) return;
      const many = differences.length === 1
        ? "1 file differs"
        : `${differences.length} files differ`;
      throw new VmbError(`${many} from what is rendered`, {
        code: "render.differs",
        exit: exitCodes.problems,
        hint: "Render again with vmb ctl render, or move a change to overrides/",
      });
    });
}
