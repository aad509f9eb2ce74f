import { textDiff } from "../format/text_diff.ts";
import type { Files } from "../sys/files.ts";
import { filesBelow } from "./files_below.ts";
import { parentFolders, type RenderedTree } from "./tree.ts";

/** A file that is not as it is rendered. */
export interface Difference {
  readonly path: string;
  /** An extra file lies where files are rendered, and is not one of them. */
  readonly kind: "missing" | "changed" | "extra";
  /** From the file as it is to the file as it is rendered; values of secrets are hidden. */
  readonly diff: string;
}

/** Compares the files of a folder with a tree. Modes are not compared: git keeps almost nothing of them. */
export async function compareTree(
  files: Pick<Files, "inspect" | "inspectTarget" | "list" | "read">,
  tree: RenderedTree,
  folder: string,
): Promise<readonly Difference[]> {
  const differences: Difference[] = [];

  /** Bytes that are no text still differ from it. */
  async function read(path: string): Promise<string> {
    return new TextDecoder().decode(await files.read(`${folder}/${path}`));
  }

  for (const [path, { content }] of tree) {
    const info = await files.inspectTarget(`${folder}/${path}`);
    if (info === undefined) {
      differences.push({ path, kind: "missing", diff: textDiff(path, undefined, content) });
      continue;
    }
    const there = info.kind === "file" ? await read(path) : `(a ${info.kind})\n`;
    if (there !== content) {
      differences.push({ path, kind: "changed", diff: textDiff(path, there, content) });
    }
  }
  const ours = new Set([...tree.keys()].flatMap((path) => parentFolders(path).slice(0, 1)));
  for (const top of ours) {
    for (const below of await filesBelow(files, `${folder}/${top}`)) {
      const path = `${top}/${below}`;
      if (tree.has(path)) continue;
      const info = await files.inspect(`${folder}/${path}`);
      const there = info?.kind === "file" ? await read(path) : `(a ${info?.kind})\n`;
      differences.push({ path, kind: "extra", diff: textDiff(path, there, undefined) });
    }
  }
  return differences.sort((a, b) => a.path < b.path ? -1 : 1);
}
