import { exitCodes, VmbError } from "../error.ts";
import type { Files } from "../sys/files.ts";
import { parentFolders, type RenderedTree } from "./tree.ts";

/** Names what was rendered into a folder, so that what is rendered no more can be removed from it. */
export const markerName = ".vmb-rendered";

/** What became of the files in a folder, by path. */
export interface WrittenTree {
  readonly written: readonly string[];
  readonly removed: readonly string[];
  readonly unchanged: readonly string[];
}

/**
 * Brings a folder to the state of a tree: writes what differs, and removes what an earlier tree had and this
 * one has not. Anything else in the folder stays.
 *
 * @throws {VmbError} `render.folder` (exit 2) when the folder has files but nothing was ever rendered there
 */
export async function writeTree(
  files: Pick<Files, "inspectTarget" | "list" | "makeFolder" | "readText" | "remove" | "write">,
  tree: RenderedTree,
  folder: string,
): Promise<WrittenTree> {
  const marker = `${folder}/${markerName}`;
  const info = await files.inspectTarget(folder);
  const marked = await files.inspectTarget(marker) !== undefined;
  const foreign = info !== undefined &&
    (info.kind !== "directory" || (!marked && (await files.list(folder)).length > 0));
  if (foreign) {
    throw new VmbError(
      `Cannot render into "${folder}": it has files that were not rendered there`,
      {
        code: "render.folder",
        exit: exitCodes.usage,
        hint: "Name a folder that is empty, or not there yet: --out FOLDER",
      },
    );
  }
  await files.makeFolder(folder, { mode: 0o755 });
  const before = marked ? parseMarker(await files.readText(marker)) : [];
  const removed = before.filter((path) => !tree.has(path));
  // First the union: whenever this ends, everything that was rendered is named.
  await files.write(marker, markerText([...tree.keys(), ...removed]), { mode: 0o644 });
  const written: string[] = [];
  const unchanged: string[] = [];
  for (const [path, { content, mode }] of tree) {
    const target = `${folder}/${path}`;
    const there = await files.inspectTarget(target);
    if (there?.kind === "file" && await files.readText(target) === content) {
      unchanged.push(path);
      continue;
    }
    for (const parent of parentFolders(path)) {
      await files.makeFolder(`${folder}/${parent}`, { mode: 0o755 });
    }
    await files.write(target, content, { mode });
    written.push(path);
  }
  for (const path of removed) {
    await files.remove(`${folder}/${path}`);
    for (const parent of parentFolders(path).toReversed()) {
      const empty = (await files.list(`${folder}/${parent}`)).length === 0;
      if (empty) await files.remove(`${folder}/${parent}`);
    }
  }
  await files.write(marker, markerText([...tree.keys()]), { mode: 0o644 });
  return { written, removed, unchanged };
}

function markerText(paths: readonly string[]): string {
  return [...new Set(paths)].sort().map((path) => `${path}\n`).join("");
}

/** A path that leaves the folder was not written by us, and is not followed. */
function parseMarker(text: string): readonly string[] {
  return text.split("\n").filter((path) =>
    path !== "" && !path.split("/").some((part) => part === "" || part === "." || part === "..")
  );
}
