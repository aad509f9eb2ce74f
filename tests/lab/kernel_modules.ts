import { runOk, systemProcesses } from "../../core/sys/process.ts";
import { VmbError } from "../../core/error.ts";

export interface KernelModule {
  readonly name: string;
  /** The module itself, decompressed. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * Gathers kernel modules and what they depend on, in the order in which they can be loaded. What a
 * module needs is read from the module itself, so that no `depmod` has to be run over the folder.
 *
 * @param folder `/lib/modules/VERSION` or a copy of it
 * @param names modules by name, with underscores; what is built into the kernel needs no file
 * @throws {VmbError} `lab.no-module` for a module that is neither there nor built in
 */
export async function gatherModules(
  folder: string,
  names: readonly string[],
): Promise<readonly KernelModule[]> {
  const files = new Map<string, string>();
  await indexModules(folder, files);
  const builtIn = new Set(
    (await Deno.readTextFile(`${folder}/modules.builtin`)).split("\n").map(moduleName),
  );
  const gathered = new Map<string, KernelModule>();
  const add = async (name: string): Promise<void> => {
    if (gathered.has(name) || builtIn.has(name)) return;
    const file = files.get(name);
    if (file === undefined) {
      throw new VmbError(`Kernel in "${folder}" has no module '${name}'`, {
        code: "lab.no-module",
      });
    }
    const bytes = await readModule(file);
    for (const needed of needs(bytes)) {
      if (needed.must || files.has(needed.name)) await add(needed.name);
    }
    gathered.set(name, { name, bytes });
  };
  for (const name of names) await add(name);
  return [...gathered.values()];
}

/** `kernel/fs/ext4/ext4.ko.xz` is the module `ext4`; `virtio-rng.ko` is `virtio_rng`. */
function moduleName(path: string): string {
  return path.replace(/^.*\//, "").replace(/\.ko.*$/, "").replaceAll("-", "_");
}

async function indexModules(folder: string, files: Map<string, string>): Promise<void> {
  for await (const entry of Deno.readDir(folder)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) await indexModules(path, files);
    else if (/\.ko(\.|$)/.test(entry.name)) files.set(moduleName(path), path);
  }
}

/** Reads `depends=a,b` and `softdep=pre: c d` of the section ".modinfo". */
function needs(bytes: Uint8Array): readonly { readonly name: string; readonly must: boolean }[] {
  const text = new TextDecoder("latin1").decode(bytes);
  const list = (words: string, must: boolean) =>
    words.split(/[ ,]+/).filter((name) => name !== "")
      .map((name) => ({ name: name.replaceAll("-", "_"), must }));
  const depends = /\0depends=([^\0]*)\0/.exec(text)?.[1] ?? "";
  const before = [...text.matchAll(/\0softdep=pre: ([^\0]*)\0/g)].map(([, words]) => words ?? "");
  return [...list(depends, true), ...list(before.join(" ").replace(/post:.*/, ""), false)];
}

async function readModule(file: string): Promise<Uint8Array<ArrayBuffer>> {
  const program = file.endsWith(".xz") ? "xz" : file.endsWith(".zst") ? "zstd" : undefined;
  if (program === undefined) {
    const bytes = await Deno.readFile(file);
    return file.endsWith(".gz") ? await gunzip(bytes) : bytes;
  }
  const folder = await Deno.makeTempDir({ prefix: "vmb-module-" });
  try {
    const copy = `${folder}/module.ko${program === "xz" ? ".xz" : ".zst"}`;
    await Deno.copyFile(file, copy);
    await runOk(systemProcesses, [program, "--decompress", "--quiet", copy]);
    return await Deno.readFile(`${folder}/module.ko`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function gunzip(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
