import { createHash } from "node:crypto";
import { type CpioEntry, writeCpio } from "./cpio.ts";
import { findKernel, type GuestKernel } from "./guest_kernel.ts";
import { gatherModules } from "./kernel_modules.ts";
import { findProgram, librariesOf, requireProgram } from "./program_files.ts";

/** What a guest is booted from, without a boot loader. */
export interface GuestImage {
  readonly kernel: string;
  readonly initramfs: string;
}

export interface GuestImageOptions {
  /** Folder that keeps the image for the next time; default `tests/lab/cache`. */
  readonly cache?: string;
  /** What the guest's shell and tools are; default is busybox where the machine has it. */
  readonly tools?: "busybox" | "host";
}

const defaultCache = new URL("cache", import.meta.url).pathname;

const modules = [
  ...["virtio_pci", "virtio_blk", "virtio_console", "ext4", "virtio_net", "af_packet"],
  ...["virtio_scsi", "sd_mod"],
];
const folders = ["data", "data2", "dev", "modules", "proc", "run", "sys", "tmp", "var"];

/** What guest_init.sh calls, for a machine that has no busybox. */
const hostTools = [
  "awk",
  "bash",
  "cat",
  "grep",
  "insmod",
  "ls",
  "mount",
  "seq",
  "sleep",
  "sync",
  "tail",
  "umount",
];

/**
 * Builds kernel and initramfs of the lab's guests, or finds those built before from the same parts.
 *
 * @throws {VmbError} `lab.missing`, `lab.no-kernel`, `lab.no-module`
 */
export async function buildGuestImage(options: GuestImageOptions = {}): Promise<GuestImage> {
  const cache = options.cache ?? defaultCache;
  const agent = await requireProgram("qemu-ga", "qemu-guest-agent");
  const busybox = options.tools === "host" ? undefined : await findBusybox();
  const programs = [agent, ...busybox === undefined ? await hostPrograms() : [busybox]];
  const kernel = await findKernel(cache);
  const key = await recipeKey(programs, kernel);
  const image = { kernel: kernel.vmlinuz, initramfs: `${cache}/initramfs-${key}.gz` };
  if (await Deno.stat(image.initramfs).then(() => true, () => false)) return image;

  const archive = writeCpio(await entriesOf(programs, kernel));
  const packed = new Blob([archive]).stream().pipeThrough(new CompressionStream("gzip"));
  await Deno.mkdir(cache, { recursive: true });
  const unfinished = await Deno.makeTempFile({ dir: cache, prefix: "initramfs-" });
  await Deno.writeFile(unfinished, packed);
  await Deno.chmod(unfinished, 0o644);
  await Deno.rename(unfinished, image.initramfs);
  return image;
}

async function entriesOf(
  programs: readonly string[],
  kernel: GuestKernel,
): Promise<readonly CpioEntry[]> {
  const files = new Map<string, CpioEntry>();
  const addFile = (path: string, bytes: Uint8Array, mode = 0o755) =>
    void files.set(path, { kind: "file", path, bytes, mode });
  addFile("init", await own("guest_init.sh"));
  addFile("sbin/shutdown", await own("guest_shutdown.sh"));
  addFile("sbin/dhcp", await own("guest_dhcp.sh"));
  for (const program of programs) {
    addFile(`bin/${program.split("/").at(-1)}`, await Deno.readFile(program));
    for (const library of await librariesOf(program)) {
      addFile(library.slice(1), await Deno.readFile(library));
    }
  }
  const shell = files.has("bin/busybox") ? "busybox" : "bash";
  files.set("bin/sh", { kind: "link", path: "bin/sh", target: shell });
  files.set("var/run", { kind: "link", path: "var/run", target: "/run" });
  const gathered = await gatherModules(kernel.modules, modules);
  for (const { name, bytes } of gathered) addFile(`modules/${name}.ko`, bytes, 0o644);
  const order = gathered.map(({ name }) => `${name}.ko\n`).join("");
  addFile("modules/order", new TextEncoder().encode(order), 0o644);

  const parents = new Set([...folders, ...[...files.keys()].flatMap(parentsOf)]);
  return [
    ...[...parents].sort().map((path) => ({ kind: "folder", path } as const)),
    { kind: "character-device", path: "dev/console", major: 5, minor: 1 },
    ...files.values(),
  ];
}

/** A static busybox makes the smaller image; one with libraries brings them along. */
async function findBusybox(): Promise<string | undefined> {
  return await findProgram("busybox") ?? await findProgram("busybox-static");
}

async function hostPrograms(): Promise<readonly string[]> {
  const found: string[] = [];
  for (const tool of hostTools) {
    found.push(await requireProgram(tool, "bash, coreutils, gawk, kmod"));
  }
  return found;
}

/** Names the image by everything that goes into it. */
async function recipeKey(programs: readonly string[], kernel: GuestKernel): Promise<string> {
  const hash = createHash("sha256");
  for (
    const name of [
      ...["guest_init.sh", "guest_shutdown.sh", "guest_dhcp.sh", "guest_image.ts"],
      "kernel_modules.ts",
    ]
  ) {
    hash.update(await own(name));
  }
  for (const file of [...programs, kernel.vmlinuz]) {
    const info = await Deno.stat(file);
    hash.update(`${file} ${info.size} ${info.mtime?.getTime()}\n`);
  }
  return hash.digest("hex").slice(0, 16);
}

async function own(name: string): Promise<Uint8Array> {
  return await Deno.readFile(new URL(name, import.meta.url));
}

function parentsOf(path: string): string[] {
  const parts = path.split("/").slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join("/"));
}
