import { renderBacula } from "../bacula/render_bacula.ts";
import type { Inventory } from "../config/inventory.ts";
import { renderBacularis } from "../podman/bacularis.ts";
import { renderQuadlets } from "../podman/quadlets.ts";
import type { Files } from "../sys/files.ts";
import { withOverrides } from "../render/overrides.ts";
import { joinTrees, type RenderedTree } from "../render/tree.ts";

type Renderer = (inventory: Pick<Inventory, "site" | "vms">) => RenderedTree;

/** Each makes its part of the tree; no two make one file. */
const renderers: readonly Renderer[] = [
  ({ site, vms }) => renderBacula(site, vms),
  ({ site }) => renderQuadlets(site),
  ({ site }) => renderBacularis(site),
];

/**
 * Renders all files of a site, with the overrides of its repository. The same repository always gives the same
 * bytes.
 *
 * @throws {ConfigError} when an override is of no file, or a value fits no file
 */
export async function renderAll(
  files: Pick<Files, "inspect" | "inspectTarget" | "list" | "read">,
  inventory: Inventory,
): Promise<RenderedTree> {
  const tree = joinTrees(renderers.map((render) => render(inventory)));
  return await withOverrides(files, inventory.folder, tree);
}
