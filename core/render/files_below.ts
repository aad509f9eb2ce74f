import type { Files } from "../sys/files.ts";

/** Paths of all that is no folder below a folder, relative to it and sorted; none when it is not there. */
export async function filesBelow(
  files: Pick<Files, "inspect" | "list">,
  folder: string,
): Promise<readonly string[]> {
  const paths: string[] = [];
  for (const name of await files.list(folder)) {
    const info = await files.inspect(`${folder}/${name}`);
    if (info?.kind !== "directory") paths.push(name);
    else {
      const below = await filesBelow(files, `${folder}/${name}`);
      paths.push(...below.map((path) => `${name}/${path}`));
    }
  }
  return paths.sort();
}
