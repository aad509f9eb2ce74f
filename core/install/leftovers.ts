import type { Files } from "../sys/files.ts";
import { isLeftover } from "../sys/replacement.ts";
import { below, nameOf, parentOf, places } from "./places.ts";

/** Files that a killed installation left beside those that it wrote. */
export async function findLeftovers(
  files: Files,
  root: string,
  written: readonly string[],
): Promise<readonly string[]> {
  const paths = [...written, places.record, places.newProgram];
  const found: string[] = [];
  for (const folder of new Set(paths.map(parentOf))) {
    const names = paths.filter((path) => parentOf(path) === folder).map(nameOf);
    for (const other of await files.list(below(root, folder))) {
      const path = `${folder}/${other}`;
      if (path === places.newProgram || names.some((name) => isLeftover(other, name))) {
        found.push(path);
      }
    }
  }
  return found;
}
