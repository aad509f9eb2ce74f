import { VmbError } from "../../core/error.ts";
import { runOk, systemProcesses } from "../../core/sys/process.ts";

export interface GuestKernel {
  readonly vmlinuz: string;
  /** The kernel's own `/lib/modules/VERSION`, or a copy of it. */
  readonly modules: string;
}

/**
 * Finds a kernel for guests: the one fetched earlier, one that is installed (the small cloud kernel
 * first, for it boots fastest), else Debian's cloud kernel, fetched and unpacked below `cache` but not
 * installed.
 *
 * @throws {VmbError} `lab.no-kernel`
 */
export async function findKernel(cache: string): Promise<GuestKernel> {
  return await fetchedKernel(cache) ?? await installedKernel() ?? await fetchKernel(cache);
}

async function fetchedKernel(cache: string): Promise<GuestKernel | undefined> {
  const folder = `${cache}/kernel`;
  for (const modules of await subfolders(`${folder}/lib/modules`)) {
    const version = modules.split("/").at(-1);
    return { vmlinuz: `${folder}/boot/vmlinuz-${version}`, modules };
  }
  return undefined;
}

async function installedKernel(): Promise<GuestKernel | undefined> {
  const kernels: GuestKernel[] = [];
  for (const modules of await subfolders("/lib/modules")) {
    const version = modules.split("/").at(-1) ?? "";
    // RHEL keeps a readable copy beside the modules; Debian has it in /boot only.
    for (const vmlinuz of [`${modules}/vmlinuz`, `/boot/vmlinuz-${version}`]) {
      const usable = await readable(vmlinuz) && await readable(`${modules}/modules.builtin`);
      if (usable) kernels.push({ vmlinuz, modules });
    }
  }
  return kernels.find((kernel) => kernel.modules.includes("-cloud-")) ?? kernels.at(-1);
}

async function fetchKernel(cache: string): Promise<GuestKernel> {
  const meta = "linux-image-cloud-amd64";
  const asked = await systemProcesses.run(["apt-cache", "depends", meta]).catch(() => undefined);
  const name = /Depends: (linux-image-\S+)/.exec(asked?.stdout ?? "")?.[1];
  if (name === undefined) {
    throw new VmbError("No kernel for a lab guest: none is installed and apt offers none", {
      code: "lab.no-kernel",
      exit: 5,
      hint: "apt-get update, or install a kernel that belongs to this system (kernel-core on RHEL)",
    });
  }
  await Deno.mkdir(cache, { recursive: true });
  const work = await Deno.makeTempDir({ dir: cache, prefix: "kernel-" });
  try {
    await runOk(systemProcesses, ["env", "-C", work, "apt-get", "download", name], {
      timeoutMs: 300_000,
    });
    for await (const entry of Deno.readDir(work)) {
      if (!entry.name.endsWith(".deb")) continue;
      await runOk(systemProcesses, ["dpkg-deb", "-x", `${work}/${entry.name}`, `${work}/root`]);
    }
    // Whoever comes second finds the folder of the first, and that is just as good.
    await Deno.rename(`${work}/root`, `${cache}/kernel`).catch(() => {});
  } finally {
    await Deno.remove(work, { recursive: true });
  }
  const fetched = await fetchedKernel(cache);
  if (fetched !== undefined) return fetched;
  throw new VmbError(`Package '${name}' holds no kernel with modules`, { code: "lab.no-kernel" });
}

async function readable(path: string): Promise<boolean> {
  return await Deno.open(path).then((file) => (file.close(), true), () => false);
}

async function subfolders(folder: string): Promise<readonly string[]> {
  const found: string[] = [];
  try {
    for await (const entry of Deno.readDir(folder)) {
      if (entry.isDirectory) found.push(`${folder}/${entry.name}`);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return found.sort();
}
