/** A file as it is rendered: its text, and the mode that it is installed with. */
export interface RenderedFile {
  readonly content: string;
  readonly mode: number;
}

/** Files by their paths, relative to the folder of the tree; sorted by path. */
export type RenderedTree = ReadonlyMap<string, RenderedFile>;

/** Makes a tree of texts that everybody may read: a rendered file never holds a secret. */
export function renderedTree(texts: Readonly<Record<string, string>>): RenderedTree {
  return joinTrees([
    new Map(Object.entries(texts).map(([path, content]) => [path, { content, mode: 0o644 }])),
  ]);
}

/**
 * Makes one tree of several.
 *
 * @throws {Error} when a path leaves the tree, is the folder of another, or is there twice: a fault of vmb
 */
export function joinTrees(trees: Iterable<RenderedTree>): RenderedTree {
  const files = new Map<string, RenderedFile>();
  for (const [path, file] of [...trees].flatMap((tree) => [...tree])) {
    if (path.split("/").some((part) => part === "" || part === "." || part === "..")) {
      throw new Error(`Cannot render to "${path}": expected a relative path without . and ..`);
    }
    if (files.has(path)) throw new Error(`Cannot render "${path}" twice`);
    files.set(path, file);
  }
  for (const path of files.keys()) {
    const folder = parentFolders(path).find((parent) => files.has(parent));
    if (folder !== undefined) throw new Error(`Cannot render "${path}" below the file "${folder}"`);
  }
  return new Map([...files].sort(([a], [b]) => a < b ? -1 : 1));
}

/** The folders of a path, the outermost first. */
export function parentFolders(path: string): readonly string[] {
  const parts = path.split("/").slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join("/"));
}
