import type { Inventory } from "../../../core/config/inventory.ts";
import { loadInventory } from "../../../core/config/inventory.ts";
import { renderAll } from "../../../core/deploy/render_site.ts";
import type { RenderedTree } from "../../../core/render/tree.ts";
import { systemFiles } from "../../../core/sys/files.ts";
import { exampleTexts } from "../bacula/inventories.ts";

/** A repository on disk, with `site.yaml`, `vm-list.yaml` and whatever files are given. */
export interface Repository extends AsyncDisposable {
  readonly folder: string;
  write(path: string, content: string): Promise<void>;
  inventory(): Promise<Inventory>;
  render(): Promise<RenderedTree>;
}

export async function openRepository(
  extra: Readonly<Record<string, string>> = {},
): Promise<Repository> {
  const folder = await Deno.makeTempDir({ prefix: "vmb-site-" });

  async function write(path: string, content: string): Promise<void> {
    await Deno.mkdir(`${folder}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
    await Deno.writeTextFile(`${folder}/${path}`, content);
  }

  await write("site.yaml", exampleTexts.site);
  await write("vm-list.yaml", exampleTexts.list);
  for (const [path, content] of Object.entries(extra)) await write(path, content);
  const inventory = () => loadInventory(systemFiles, folder);
  return {
    folder,
    write,
    inventory,
    render: async () => await renderAll(systemFiles, await inventory()),
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}
