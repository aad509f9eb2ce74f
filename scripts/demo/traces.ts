import type { Lab } from "../../tests/lab/lab.ts";

/** Finds what a closed lab has left on the machine: processes, mounts, files. */
export async function tracesOf(lab: Pick<Lab, "folder" | "prefix">): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name) || Number(name) === Deno.pid) continue;
    // A process may have the lab on its command line, in its environment, or only as its folder.
    const told = await Promise.all([
      Deno.readTextFile(`/proc/${name}/cmdline`).catch(() => ""),
      Deno.readTextFile(`/proc/${name}/environ`).catch(() => ""),
      Deno.readLink(`/proc/${name}/cwd`).catch(() => ""),
    ]);
    if (told.some((text) => text.includes(lab.folder))) {
      found.push(`process ${name}: ${told[0].replaceAll("\0", " ").slice(0, 100)}`);
    }
  }
  for (const line of (await Deno.readTextFile("/proc/self/mounts")).split("\n")) {
    if (line.includes(lab.folder)) found.push(`mount: ${line}`);
  }
  for (const folder of ["/tmp", "/var/tmp", "/run", "/dev/shm"]) {
    for await (const { name } of Deno.readDir(folder)) {
      if (name.includes(lab.prefix)) found.push(`file: ${folder}/${name}`);
    }
  }
  return found;
}
