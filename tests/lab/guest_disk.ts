import { createCipheriv, randomBytes } from "node:crypto";
import { runOk, systemProcesses } from "../../core/sys/process.ts";

export interface DataDiskOptions {
  /** The image to make. */
  readonly path: string;
  readonly format: "qcow2" | "raw";
  readonly sizeMiB: number;
  /** Random data that the file system is filled with, in MiB. */
  readonly dataMiB: number;
}

/** Makes a disk image that is one ext4 file system, without mounting anything. */
export async function makeDataDisk(options: DataDiskOptions): Promise<void> {
  const { path, format, sizeMiB, dataMiB } = options;
  const content = `${path}.content`;
  const raw = format === "raw" ? path : `${path}.raw`;
  try {
    await Deno.mkdir(content);
    if (dataMiB > 0) await writeRandomFile(`${content}/filler`, dataMiB);
    await runOk(systemProcesses, ["truncate", "--size", `${sizeMiB}M`, raw]);
    // Few inodes and nothing left for the guest to initialise: the disk is quiet once it is mounted.
    await runOk(systemProcesses, [
      ...["mkfs.ext4", "-q", "-F", "-b", "4096", "-m", "0", "-N", "256", "-J", "size=4"] as const,
      ...["-E", "lazy_itable_init=0,lazy_journal_init=0", "-d", content, raw],
    ], { timeoutMs: 900_000 });
    if (format === "qcow2") {
      await runOk(systemProcesses, [
        ...["qemu-img", "convert", "-W", "-m", "16", "-f", "raw", "-O", "qcow2"] as const,
        ...[raw, path],
      ], { timeoutMs: 900_000 });
    }
  } finally {
    await Deno.remove(content, { recursive: true }).catch(() => {});
    if (raw !== path) await Deno.remove(raw).catch(() => {});
  }
}

/** Data that neither compresses nor repeats, as fast as the disk takes it. */
async function writeRandomFile(path: string, sizeMiB: number): Promise<void> {
  const cipher = createCipheriv("aes-128-ctr", randomBytes(16), randomBytes(16));
  const zeros = new Uint8Array(1024 * 1024);
  using file = await Deno.open(path, { write: true, createNew: true });
  for (let written = 0; written < sizeMiB; written++) {
    const data = cipher.update(zeros);
    for (let offset = 0; offset < data.length;) offset += await file.write(data.subarray(offset));
  }
}
